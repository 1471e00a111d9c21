"""What a condition cannot be true without: a quick look that spares most rules their evaluation.

`said.a && (said.b || amount.cny > 100) && !said.c` needs said.a, and one of said.b and amount.cny. A gate is
a list of such sets; if all facts of any set have their defaults, the condition is false.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

__all__ = ["Gate", "gate_of"]

Gate = tuple[frozenset[str], ...]
MOST_SETS = 6
_TOKEN = re.compile(r"""\s*(&&|\|\||!(?!=)|[()]|"[^"]*"|'[^']*'|[^\s()&|!"']+|[&|!])""")


def gate_of(text: str, needs: Callable[[str], Gate]) -> Gate:
    """The gate of a condition.

    Args:
        needs: for an atom (a name, a comparison) its own gate: empty if it can be true without any fact.
    """
    tokens = [match[1] for match in _TOKEN.finditer(text)]
    gate, end = _either(tokens, 0, needs)
    return tuple(gate) if end == len(tokens) else ()


Found = tuple[list[frozenset[str]], int]
Needs = Callable[[str], Gate]


def _either(tokens: Sequence[str], at: int, needs: Needs) -> Found:
    """a || b: of each side's sets one, joined."""
    gate, at = _both(tokens, at, needs)
    while at < len(tokens) and tokens[at] == "||":
        other, at = _both(tokens, at + 1, needs)
        joined = {one | two for one in gate for two in other}
        gate = sorted(joined, key=len)[:MOST_SETS]
    return gate, at


def _both(tokens: Sequence[str], at: int, needs: Needs) -> Found:
    """a && b: the sets of either."""
    gate, at = _one(tokens, at, needs)
    while at < len(tokens) and tokens[at] == "&&":
        other, at = _one(tokens, at + 1, needs)
        gate = list(dict.fromkeys(gate + other))
    return gate, at


def _one(tokens: Sequence[str], at: int, needs: Needs) -> Found:
    if at < len(tokens) and tokens[at] == "!":
        _, at = _one(tokens, at + 1, needs)
        return [], at
    if at < len(tokens) and tokens[at] == "(":
        gate, inside = _either(tokens, at + 1, needs)
        after = inside + 1
        if inside < len(tokens) and tokens[inside] == ")" and _ends(tokens, after):
            return gate, after
    return _atom(tokens, at, needs)


def _atom(tokens: Sequence[str], at: int, needs: Needs) -> Found:
    """Everything up to the next && or || on this level, as it stands."""
    start, depth = at, 0
    while at < len(tokens) and not (depth == 0 and (tokens[at] in ("&&", "||", ")"))):
        depth += {"(": 1, ")": -1}.get(tokens[at], 0)
        at += 1
    return list(needs(" ".join(tokens[start:at]))), at


def _ends(tokens: Sequence[str], at: int) -> bool:
    """Whether an operand ends here, rather than being compared with something."""
    return at >= len(tokens) or tokens[at] in ("&&", "||", ")")
