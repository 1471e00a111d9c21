"""The bus: hints and requests. `open_bus` picks the implementation by URL."""

from bot.bus.base import Bus, Handler, Hint
from bot.bus.memory import MemoryBus

__all__ = ["Bus", "Handler", "Hint", "MemoryBus", "open_bus"]


async def open_bus(url: str) -> Bus:
    """Open `memory://` or `nats://host:port`. Raises BusError if it can't be reached."""
    if url == "memory://":
        return MemoryBus()
    from bot.bus.nats import NatsBus

    return await NatsBus.connect(url)
