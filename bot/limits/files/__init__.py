"""Is a file fit to be taken? Pure functions of its bytes and its name; nothing of it is ever run or drawn."""

from bot.limits.files.examine import Examined, check_count, examine
from bot.limits.files.refusal import Reason, Unsafe

__all__ = ["Examined", "Reason", "Unsafe", "check_count", "examine"]
