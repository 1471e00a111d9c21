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


def test_a_choice_binds_less_than_and() -> None:
    condition = CONDITIONS.compile("said.a && said.b ? said.a : denied.a && amount.cny > 5")
    assert condition.holds({"denied.a": True, "amount.cny": 10})
    assert not condition.holds({"denied.a": True})


def test_a_comment_is_no_part_of_a_condition() -> None:
    assert CONDITIONS.compile("said.a // && said.b\n|| denied.a").holds({"said.a": True})


def test_many_ways_to_the_same_condition_are_gone_once() -> None:
    steps = {f"k{n}": f"is.k{n + 1} || is.k{n + 1}" for n in range(15)}
    assert Conditions(["a"], {**steps, "k15": "said.a"}).compile("is.k0").holds({"said.a": True})


@pytest.mark.parametrize("levels", [25, 2_000])
def test_conditions_on_too_many_levels_are_refused(levels: int) -> None:
    steps = {f"k{n}": f"is.k{n + 1} || is.k{n + 1}" for n in range(levels)}
    with pytest.raises(ConditionError, match="levels"):
        Conditions(["a"], {**steps, f"k{levels}": "said.a"})


@pytest.mark.parametrize("count", [240, 5_000])
def test_what_is_nested_too_deeply_is_refused(count: int) -> None:
    with pytest.raises(ConditionError, match="nested too deeply"):
        CONDITIONS.compile("!" * count + "said.a")


def test_what_has_no_answer_for_an_empty_message_is_refused() -> None:
    with pytest.raises(ConditionError, match="no answer for an empty message"):
        CONDITIONS.compile("1 / amount.cny > 0 && said.a || 1 / amount.cny > 5")
