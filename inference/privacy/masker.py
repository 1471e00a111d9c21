"""What the core is given: `bot.ports.Masker` over the finder."""

from __future__ import annotations

from inference.privacy.masking import Masked, mask, scrub

__all__ = ["TextMasker"]


class TextMasker:
    """Implements `bot.ports.Masker`."""

    def mask(self, text: str) -> Masked:
        return mask(text)

    def scrub(self, text: str) -> Masked:
        return scrub(text)
