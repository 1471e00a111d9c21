"""Abuse control and load: who is answered, what is left out when much is going on, which files are taken.

`admission` has no imports, because the rails' context carries one.
"""

from bot.limits.admission import ADMITTED, Admission, Campaign

__all__ = ["ADMITTED", "Admission", "Campaign"]
