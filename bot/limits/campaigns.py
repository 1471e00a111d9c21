"""The same words from many senders: an outage everybody asks about, a rumour, or a campaign.

Only noticed and recorded. To refuse would hit customers who share a worry.
"""

from __future__ import annotations

from bot.config.limits import Campaigns
from bot.limits.admission import Campaign
from bot.limits.fingerprint import Fingerprint
from bot.limits.remembered import Remembered

__all__ = ["Watch"]


class _Seen:
    __slots__ = ("reported", "senders", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.senders: set[int] = set()
        self.reported = False


class Watch:
    """Counts senders by text; at most `settings.senders` of each text are held."""

    def __init__(self, size: int) -> None:
        self.texts: Remembered[int, _Seen] = Remembered(size)

    def note(self, print: Fingerprint, sender: str, at: float, settings: Campaigns) -> Campaign | None:
        """The campaign that this message makes one; reported once a window."""
        if print.length < settings.min_chars:
            return None
        seen = self.texts.get(print.letters)
        if seen is None or at - seen.since >= settings.window_s:
            seen = _Seen(at)
            self.texts.put(print.letters, seen)
        if seen.reported:
            return None
        seen.senders.add(hash(sender))
        if len(seen.senders) < settings.senders:
            return None
        seen.reported, senders = True, len(seen.senders)
        seen.senders = set()
        return Campaign(senders, f"{print.letters & 0xFFFFFFFFFFFF:012x}")
