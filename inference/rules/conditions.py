"""Conditions in CEL (https://cel.dev), behind a small port: names and types are checked when they are
compiled, there are no loops, and a condition that can't be evaluated raises instead of answering."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cel_expr_python import cel

from inference.rules.facts import CONCEPTUAL, FACTS, Value
from inference.rules.gate import Gate, gate_of

__all__ = ["Condition", "ConditionError", "Conditions", "EvaluationError"]

LONGEST = 20_000
"""Characters of a condition, with all that it refers to written out."""
_NAME = re.compile(r"\b[a-z]+\.[a-z0-9_]+\b")
_LOOP = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")
_POSITION = re.compile(r"<input>:(\d+):(\d+): (.*)")
_TYPES = {bool: cel.Type.BOOL, int: cel.Type.INT, str: cel.Type.STRING}


class ConditionError(ValueError):
    """A condition that can't be used; the message shows where, with a caret."""


class EvaluationError(RuntimeError):
    """A condition gave an error instead of an answer."""


class Condition:
    """One compiled condition."""

    __slots__ = ("_defaults", "_expression", "gate", "names", "text")

    def __init__(self, text: str, expression: Any, defaults: Mapping[str, Value], gate: Gate) -> None:
        self.text = text
        self.gate = gate
        """Sets of facts; it is false while all of any set have their defaults."""
        self.names = tuple(defaults)
        """The facts it depends on."""
        self._expression = expression
        self._defaults = dict(defaults)

    def holds(self, facts: Mapping[str, Value]) -> bool:
        """Whether it is true of `facts` (those not given have their defaults).

        Raises:
            EvaluationError: it has no answer (an overflow, a division by zero).
        """
        get = facts.get
        data = {name: get(name, default) for name, default in self._defaults.items()}
        result = self._expression.eval(data=data)
        if result.type() != cel.Type.BOOL:
            raise EvaluationError(str(result.value()))
        return bool(result.value())


class Conditions:
    """Compiles conditions over the facts and some concepts.

    Args:
        concepts: names that may follow `said.`, `denied.` and `recently.`
        shared: named conditions, usable as `is.NAME`.

    Raises:
        ConditionError: a shared condition that refers to itself; its name stands first.
    """

    def __init__(self, concepts: Iterable[str], shared: Mapping[str, str]) -> None:
        self._defaults: dict[str, Value] = dict(FACTS)
        for concept in concepts:
            for kind in CONCEPTUAL:
                self._defaults[f"{kind}.{concept}"] = False
        variables = {name: _TYPES[type(value)] for name, value in self._defaults.items()}
        variables |= {f"is.{name}": cel.Type.BOOL for name in shared}
        self._shared = shared
        self._known = frozenset(variables)
        self._env = cel.NewEnv(variables=variables)
        self._whole: dict[str, str] = {}
        self._atoms: dict[str, frozenset[str] | None] = {}
        for name in shared:
            self._whole[name] = self._written_out(name, ())

    def compile(self, text: str) -> Condition:
        """Raises ConditionError."""
        self._check(text)
        whole = self._expand(text, ())
        if len(whole) > LONGEST:
            raise ConditionError(
                f"too long: {len(whole)} characters with what it refers to; {LONGEST} at most"
            )
        names = dict.fromkeys(name for name in _NAME.findall(whole) if name in self._defaults)
        defaults = {name: self._defaults[name] for name in names}
        condition = Condition(text, self._env.compile(whole), defaults, gate_of(whole, self._needs))
        if condition.holds({}):
            raise ConditionError(
                "is true of an empty message: it would fire on everything; name what it needs"
            )
        return condition

    def _needs(self, atom: str) -> frozenset[str] | None:
        """The facts of an atom, if it is false while all of them have their defaults."""
        known = self._atoms.get(atom)
        if known is None and atom not in self._atoms:
            names = [name for name in _NAME.findall(atom) if name in self._defaults]
            try:
                result = self._env.compile(atom).eval(data={name: self._defaults[name] for name in names})
                false = result.type() == cel.Type.BOOL and not result.value()
            except RuntimeError:
                false = False
            known = self._atoms[atom] = frozenset(names) if false and names else None
        return known

    def check(self, text: str) -> None:
        """Whether a shared condition can be used. Raises ConditionError."""
        self._check(text)

    def _check(self, text: str) -> None:
        if _LOOP.search(text):
            raise ConditionError("loops (all, exists, map, filter) can't be used in a condition")
        try:
            expression = self._env.compile(text)
        except RuntimeError as error:
            raise ConditionError(self._explain(text, str(error))) from None
        if expression.return_type() != cel.Type.BOOL:
            raise ConditionError(f"gives {expression.return_type().name()}, not true or false")

    def _expand(self, text: str, path: tuple[str, ...]) -> str:
        def write_out(match: re.Match[str]) -> str:
            kind, name = match[0].split(".", 1)
            return f"({self._written_out(name, path)})" if kind == "is" and name in self._shared else match[0]

        return _NAME.sub(write_out, text)

    def _written_out(self, name: str, path: tuple[str, ...]) -> str:
        if name in path:
            raise ConditionError(f"is.{name} refers to itself: {' → '.join((*path, name))}")
        return self._whole.get(name) or self._expand(self._shared[name], (*path, name))

    def _explain(self, text: str, message: str) -> str:
        from difflib import get_close_matches

        found = _POSITION.search(message)
        if found is None:
            return message
        line, column, what = int(found[1]), int(found[2]), found[3]
        unknown = re.search(r"undeclared reference to '([^']+)'", what)
        if unknown:
            nearest = get_close_matches(unknown[1], self._known, n=1, cutoff=0.5)
            what = f"unknown name {unknown[1]!r}" + (f"; did you mean {nearest[0]!r}?" if nearest else "")
        shown = text.splitlines()[line - 1] if line <= len(text.splitlines()) else text
        return f"{what}\n    {shown}\n    {' ' * (column - 1)}^"
