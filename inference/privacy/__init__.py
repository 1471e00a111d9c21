"""Finding and masking personal data, by rules: deterministic, and quick enough to stand before everything."""

from inference.privacy.finder import find
from inference.privacy.leaks import leaks, stated_in
from inference.privacy.logs import MaskEvent, mask_event
from inference.privacy.masking import Edit, Masked, mask, masked_value
from inference.privacy.span import SECRETS, Kind, Span

__all__ = [
    "SECRETS",
    "Edit",
    "Kind",
    "MaskEvent",
    "Masked",
    "Span",
    "find",
    "leaks",
    "mask",
    "mask_event",
    "masked_value",
    "stated_in",
]
