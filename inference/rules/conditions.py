"""Conditions in CEL (https://cel.dev), behind a small port: names and types are checked when they are
compiled, there are no loops, and a condition that can't be evaluated raises instead of answering."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import CodeType
from typing import Any

from cel_expr_python import cel

from inference.rules.facts import CONCEPTUAL, FACTS, Value
from inference.rules.gate import Gate, code_of, gate_of, read_logic

__all__ = ["Condition", "ConditionError", "Conditions", "EvaluationError"]

LONGEST = 20_000
"""Characters of a condition, with all that it refers to written out."""
DEEPEST = 20
"""Levels of conditions that refer to conditions."""
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

    __slots__ = ("_code", "_defaults", "_expression", "_shared", "gate", "names", "text")

    def __init__(
        self,
        text: str,
        expression: Any,
        defaults: Mapping[str, Value],
        shared: Mapping[str, Condition],
        gate: Gate,
        code: CodeType | None,
    ) -> None:
        self.text = text
        self.names: frozenset[str] = frozenset(defaults).union(*(c.names for c in shared.values()))
        """The facts it depends on."""
        self.gate = gate
        """Sets of facts; it is false while all of any set have their defaults."""
        self._expression = expression
        self._code = code
        self._defaults = dict(defaults)
        self._shared = dict(shared)

    def holds(self, facts: Mapping[str, Value], shared: dict[str, bool] | None = None) -> bool:
        """Whether it is true of `facts` (those not given have their defaults).

        Args:
            shared: what `is.*` came to for the same facts before; added to.

        Raises:
            EvaluationError: it has no answer (an overflow, a division by zero).
        """
        known = facts.keys()
        for needed in self.gate:
            if known.isdisjoint(needed):
                return False
        get = facts.get
        if self._code is not None:
            # What was compiled is plain logic that CEL has checked (`gate.code_of`).
            if not self._shared:
                return bool(eval(self._code, {"__builtins__": {}, "get": get}))  # noqa: S307
            known_shared = {} if shared is None else shared

            def of(name: str) -> bool:
                if name not in known_shared:
                    known_shared[name] = self._shared[name].holds(facts, known_shared)
                return known_shared[name]

            return bool(eval(self._code, {"__builtins__": {}, "get": get, "shared": of}))  # noqa: S307
        data: dict[str, Value] = {name: get(name, default) for name, default in self._defaults.items()}
        if self._shared:
            shared = {} if shared is None else shared
            for name, condition in self._shared.items():
                if name not in shared:
                    shared[name] = condition.holds(facts, shared)
                data[name] = shared[name]
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
        self._texts = dict(shared)
        self._known = frozenset(variables)
        self._env = cel.NewEnv(variables=variables)
        self._shared: dict[str, Condition] = {}
        self._atoms: dict[str, Gate] = {}
        settled: dict[str, int] = {}
        for name in shared:
            self._refuse_circles(name, (), settled)

    def compile(self, text: str, *, always: bool = False) -> Condition:
        """Raises ConditionError.

        Args:
            always: it may be true where nothing is known (a part of other conditions).
        """
        self._check(text)
        if len(text) > LONGEST:
            raise ConditionError(f"too long: {len(text)} characters; {LONGEST} at most")
        names = dict.fromkeys(_NAME.findall(text))
        shared = {name: self._of(name.removeprefix("is.")) for name in names if name.startswith("is.")}
        defaults = {name: self._defaults[name] for name in names if name in self._defaults}
        try:
            tree = read_logic(text)
            gate = gate_of(tree, self._needs) if tree else ()
            code = code_of(tree, defaults) if tree else None
        except (RecursionError, SyntaxError, MemoryError):
            raise ConditionError("is nested too deeply; give parts of it names under conditions") from None
        condition = Condition(text, self._env.compile(text), defaults, shared, gate, code)
        try:
            true_of_nothing = not always and condition.holds({})
        except EvaluationError as error:
            raise ConditionError(f"has no answer for an empty message ({error})") from None
        if true_of_nothing:
            raise ConditionError(
                "is true of an empty message: it would fire on everything; name what it needs"
            )
        return condition

    def written_out(self, *texts: str) -> dict[str, str]:
        """The shared conditions that texts refer to, directly and through others, by name."""
        found: dict[str, str] = {}
        waiting = list(texts)
        while waiting:
            for name in _NAME.findall(waiting.pop()):
                other = name.removeprefix("is.")
                if other != name and other in self._texts and other not in found:
                    found[other] = self._texts[other]
                    waiting.append(self._texts[other])
        return found

    def _of(self, name: str) -> Condition:
        """A shared condition, compiled once."""
        if name not in self._shared:
            self._shared[name] = self.compile(self._texts[name], always=True)
        return self._shared[name]

    def _needs(self, atom: str) -> Gate:
        """The gate of an atom: its facts, if it is false while all of them have their defaults."""
        if atom.startswith("is.") and atom.removeprefix("is.") in self._texts:
            return self._of(atom.removeprefix("is.")).gate
        if atom not in self._atoms:
            names = _NAME.findall(atom)
            known = [name for name in names if name in self._defaults]
            false = False
            if known and len(known) == len(names):
                try:
                    result = self._env.compile(atom).eval(data={name: self._defaults[name] for name in known})
                    false = result.type() == cel.Type.BOOL and not result.value()
                except RuntimeError:
                    false = False
            self._atoms[atom] = (frozenset(known),) if false else ()
        return self._atoms[atom]

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

    def _refuse_circles(self, name: str, path: tuple[str, ...], settled: dict[str, int]) -> int:
        """How many levels of conditions stand under `name`; each is looked into once."""
        if name in path:
            raise ConditionError(f"is.{name} refers to itself: {' → '.join((*path, name))}")
        if name not in settled:
            if len(path) >= DEEPEST:
                raise ConditionError(f"is.{path[0]} refers to others over more than {DEEPEST} levels")
            found = dict.fromkeys(_NAME.findall(self._texts[name]))
            others = [f.removeprefix("is.") for f in found if f.startswith("is.")]
            levels = [self._refuse_circles(o, (*path, name), settled) for o in others if o in self._texts]
            settled[name] = 1 + max(levels, default=0)
        if len(path) + settled[name] > DEEPEST:
            raise ConditionError(f"is.{(*path, name)[0]} refers to others over more than {DEEPEST} levels")
        return settled[name]

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
