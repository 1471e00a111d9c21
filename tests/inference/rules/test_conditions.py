"""Conditions: what runs fast says what CEL says; a shut gate is never one that should have been open."""

from __future__ import annotations

from typing import Any

import pytest
from cel_expr_python import cel
from hypothesis import given
from hypothesis import strategies as st

from inference.rules.conditions import ConditionError, Conditions
from inference.rules.facts import Value

NAMES = ("said.a", "said.b", "denied.a", "recently.b", "text.question", "is.shared")
SHARED = {"shared": "said.a || amount.cny > 500"}
CONDITIONS = Conditions(("a", "b"), SHARED)
ENV = cel.NewEnv(
    variables=dict.fromkeys(NAMES, cel.Type.BOOL)
    | {"amount.cny": cel.Type.INT, "chat.platform": cel.Type.STRING}
)

atoms = st.one_of(
    st.sampled_from(NAMES),
    st.builds(
        "amount.cny {} {}".format,
        st.sampled_from(("==", "!=", "<", "<=", ">", ">=")),
        st.integers(-5, 2000),
    ),
    st.builds(
        'chat.platform {} "{}"'.format, st.sampled_from(("==", "!=")), st.sampled_from(("web", "slack", ""))
    ),
    st.builds("{} == {}".format, st.sampled_from(NAMES), st.sampled_from(("true", "false"))),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("({})".format, inner),
        st.builds("!({})".format, inner),
        st.builds("({}) && ({})".format, inner, inner),
        st.builds("({}) || ({})".format, inner, inner),
        st.builds("{} || {} && {}".format, atoms, inner, atoms),
    ),
    max_leaves=8,
)
facts = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.just(True) for name in NAMES if name != "is.shared"},
        "amount.cny": st.integers(1, 2000),
        "chat.platform": st.sampled_from(("web", "slack")),
    },
)


def by_cel(text: str, known: dict[str, Value]) -> bool:
    data: dict[str, Any] = dict.fromkeys(NAMES, False) | {"amount.cny": 0, "chat.platform": ""} | known
    data["is.shared"] = bool(data["said.a"] or data["amount.cny"] > 500)
    return bool(ENV.compile(text).eval(data=data).value())


@given(conditions, facts)
def test_a_condition_holds_where_cel_says_so(text: str, known: dict[str, Value]) -> None:
    condition = CONDITIONS.compile(text, always=True)
    assert condition.holds(known) == by_cel(text, known)


@given(conditions, facts)
def test_a_shut_gate_means_that_the_condition_is_false(text: str, known: dict[str, Value]) -> None:
    condition = CONDITIONS.compile(text, always=True)
    if any(needed.isdisjoint(known) for needed in condition.gate):
        assert not by_cel(text, known)


def test_arithmetic_is_left_to_cel() -> None:
    condition = CONDITIONS.compile("amount.cny + 1 > 100 && said.a")
    assert condition.holds({"amount.cny": 100, "said.a": True})
    assert not condition.holds({"amount.cny": 99, "said.a": True})


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "said.a and said.b",
        "said.a && said.missing",
        "amount.cny",
        "said.a ? 1 : 2",
    ],
)
def test_what_cel_refuses_never_runs(text: str) -> None:
    with pytest.raises(ConditionError):
        CONDITIONS.compile(text)
