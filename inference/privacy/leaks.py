"""Looking over what Teller is about to say: personal data has no place in it, the bank's own numbers do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from inference.privacy.finder import find
from inference.privacy.fold import fold
from inference.privacy.span import Span

__all__ = ["Allow", "leaks", "stated_in"]

Allow = Callable[[str], bool]
"""Whether a found value may be said as it is."""

_NOT_ALNUM = re.compile(r"[\W_]+")


def leaks(text: str, allow: Allow | None = None) -> tuple[Span, ...]:
    """The unmasked personal data in an outgoing text, less what `allow` lets through.

    In a group give an `allow` that knows only the bank's own texts: even the customer's own data is
    then a leak.
    """
    found = find(text)
    return tuple(span for span in found if allow is None or not allow(text[span.start : span.end]))


def stated_in(texts: Iterable[str]) -> Allow:
    """Lets through what one of the bank's own texts says: hotlines, a branch's address, an example.

    Compares letters and digits only, so another way of grouping the same number is still the same.
    """
    known = [_plain(text) for text in texts]

    def allow(value: str) -> bool:
        plain = _plain(value)
        return bool(plain) and any(plain in text for text in known)

    return allow


def _plain(text: str) -> str:
    return _NOT_ALNUM.sub("", fold(text).low)
