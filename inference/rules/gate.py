"""A condition's logic taken apart: what it cannot be true without, and how to work it out fast.

`said.a && (said.b || amount.cny > 100) && !said.c` needs said.a, and one of said.b and amount.cny. A gate is
a list of such sets; if all facts of any set have their defaults, the condition is false, and most rules are
spared their evaluation. What isn't more than and, or, not and comparisons with a constant runs as Python;
CEL has checked it before, and evaluates all the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import NamedTuple

__all__ = ["Gate", "Logic", "code_of", "gate_of", "read_logic"]

Gate = tuple[frozenset[str], ...]
MOST_SETS = 6
_TOKEN = re.compile(r"""\s*(&&|\|\||!(?!=)|[()]|"[^"]*"|'[^']*'|[^\s()&|!"']+|!=|[&|!])""")
_TEXT = re.compile(r""""[^"]*"|'[^']*'""")
_OTHERWISE = re.compile(r"\?|//")
_PLAIN = re.compile(
    r"""([a-z]+\.[a-z0-9_]+)"""
    r"""(?: *(==|!=|<=|>=|<|>) *(-?(?:0|[1-9]\d{0,14})|"[^"\\{}]*"|'[^'\\{}]*'|true|false))?"""
)
_CONSTANT = {"true": "True", "false": "False"}


class Logic(NamedTuple):
    """One node of a condition."""

    kind: str
    """"or", "and" and "not" over `parts`; "atom" is anything else, as it stands in `text`."""
    parts: tuple[Logic, ...] = ()
    text: str = ""


def read_logic(text: str) -> Logic | None:
    """The tree of a condition; None if it isn't built as expected.

    A choice (a ? b : c) binds less than && and ||, and a comment or a text with escapes may hold these: such
    conditions aren't taken apart.
    """
    if _OTHERWISE.search(_TEXT.sub("", text)) or "\\" in text or '"""' in text or "'''" in text:
        return None
    tokens = [match[1] for match in _TOKEN.finditer(text)]
    tree, end = _either(tokens, 0)
    return tree if end == len(tokens) else None


def gate_of(tree: Logic, needs: Callable[[str], Gate]) -> Gate:
    """The gate of a condition.

    Args:
        needs: for an atom (a name, a comparison) its own gate: empty if it can be true without any fact.
    """
    if tree.kind == "atom":
        return needs(tree.text)
    if tree.kind == "not":
        return ()
    first, *others = (gate_of(part, needs) for part in tree.parts)
    gate = list(first)
    for other in others:
        if tree.kind == "and":
            gate = list(dict.fromkeys([*gate, *other]))
        else:
            gate = sorted({one | two for one in gate for two in other}, key=len)[:MOST_SETS]
    return tuple(gate)


def code_of(tree: Logic, defaults: Mapping[str, object]) -> CodeType | None:
    """The condition as code for `eval`, with `get(name, default)` for facts and `shared(name)` for `is.*`;
    None if an atom is more than a name or a comparison with a constant."""
    source = _source(tree, defaults)
    return None if source is None else compile(source, "<condition>", "eval")


def _source(tree: Logic, defaults: Mapping[str, object]) -> str | None:
    if tree.kind == "atom":
        return _plain(tree.text, defaults)
    parts = [_source(part, defaults) for part in tree.parts]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return f"(not {known[0]})" if tree.kind == "not" else f"({f' {tree.kind} '.join(known)})"


def _plain(atom: str, defaults: Mapping[str, object]) -> str | None:
    match = _PLAIN.fullmatch(atom)
    if match is None:
        return None
    name, compared, constant = match.groups()
    if name.startswith("is."):
        value = f"shared({name!r})"
    elif name in defaults:
        value = f"get({name!r}, {defaults[name]!r})"
    else:
        return None
    return value if compared is None else f"({value} {compared} {_CONSTANT.get(constant, constant)})"


# ── reading ──────────────────────────────────────────────────────────────────────────────────────

Read = tuple[Logic, int]
"""What was read, and where it ends."""


def _either(tokens: Sequence[str], at: int) -> Read:
    return _joined("or", "||", _both, tokens, at)


def _both(tokens: Sequence[str], at: int) -> Read:
    return _joined("and", "&&", _one, tokens, at)


def _joined(
    kind: str, sign: str, read: Callable[[Sequence[str], int], Read], tokens: Sequence[str], at: int
) -> Read:
    part, at = read(tokens, at)
    parts = [part]
    while at < len(tokens) and tokens[at] == sign:
        part, at = read(tokens, at + 1)
        parts.append(part)
    return (part if len(parts) == 1 else Logic(kind, tuple(parts))), at


def _one(tokens: Sequence[str], at: int) -> Read:
    if at < len(tokens) and tokens[at] == "!":
        part, after = _one(tokens, at + 1)
        if _ends(tokens, after):
            return Logic("not", (part,)), after
    if at < len(tokens) and tokens[at] == "(":
        inner, inside = _either(tokens, at + 1)
        after = inside + 1
        if inside < len(tokens) and tokens[inside] == ")" and _ends(tokens, after):
            return inner, after
    return _atom(tokens, at)


def _atom(tokens: Sequence[str], at: int) -> Read:
    """Everything up to the next && or || on this level, as it stands."""
    start, depth = at, 0
    while at < len(tokens) and not (depth == 0 and (tokens[at] in ("&&", "||", ")"))):
        depth += {"(": 1, ")": -1}.get(tokens[at], 0)
        at += 1
    return Logic("atom", text=" ".join(tokens[start:at])), at


def _ends(tokens: Sequence[str], at: int) -> bool:
    """Whether an operand ends here, rather than being compared with something."""
    return at >= len(tokens) or tokens[at] in ("&&", "||", ")")
