"""The risk classifier raises and never lowers; its own file is read as shipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bot.types import Assessment, Fired
from inference.classify import TextClassifier
from inference.rules import load_rules
from inference.rules.attention import KINDS, UNCLEAR, AttentionHead, RiskAttention, Thresholds, load_head
from tests.make import NOON

SHIPPED = Path(__file__).parents[3] / "config" / "rules"
LABELS = tuple(KINDS)
AT = Thresholds(warn=0.5, confirm=0.6, escalate=0.6, block=0.8)


class Says(TextClassifier):
    """Probabilities as given, whatever is asked."""

    def __init__(self, **shares: float) -> None:
        self.labels = LABELS
        rest = 1 - sum(shares.values())
        self._shares = [
            shares.get(label.replace(".", "_"), rest if label == "none" else 0.0) for label in LABELS
        ]

    def probabilities(self, texts: object) -> np.ndarray:
        return np.array([self._shares], dtype=np.float32)


def raised(found: str = "none", **shares: float) -> Assessment:
    return AttentionHead(Says(**shares), AT).raised("…", Assessment(found, reason="rule", template="own"))  # type: ignore[arg-type]


def test_what_is_unlikely_stays_as_it_was_and_says_how_sure_it_was() -> None:
    found = raised(warn_scam=0.3)
    assert (found.action, found.reason) == ("none", "rule")
    assert found.attention == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("shares", "action", "template"),
    [
        ({"warn_scam": 0.4, "warn_pasted": 0.2}, "warn", "attention_scam"),
        ({"warn_invest": 0.6}, "warn", "attention_invest"),
        ({"escalate_self_harm": 0.5, "escalate_scam": 0.3}, "escalate", "attention_self_harm"),
        ({"block": 0.85}, "block", "attention_declined"),
        ({"block": 0.5, "escalate_scam": 0.2}, "escalate", UNCLEAR.template),
        ({"confirm": 0.7}, "confirm", "attention_confirm"),
    ],
)
def test_it_raises_to_what_is_likely_enough(shares: dict[str, float], action: str, template: str) -> None:
    found = raised(**shares)
    assert (found.action, found.template, found.reason) == (action, template, "attention")
    assert found.severity
    assert found.department


@pytest.mark.parametrize("action", ["warn", "confirm", "escalate", "block"])
def test_it_never_lowers(action: str) -> None:
    for shares in ({}, {"warn_scam": 0.99}, {"confirm": 0.99}):
        found = raised(action, **shares)
        assert (found.action, found.template) == (action, "own")


def test_it_raises_what_a_rule_took_for_less() -> None:
    assert raised("warn", escalate_scam=0.9).action == "escalate"
    assert raised("confirm", block=0.9).action == "block"
    assert raised("warn", confirm=0.9).action == "warn"  # a warning says more than a question


def test_a_person_who_comes_is_never_turned_into_a_refusal() -> None:
    assert raised("escalate", block=0.99).action == "escalate"


def test_a_rules_severity_and_department_stay_where_they_are_stricter() -> None:
    fired = Assessment(
        "warn",
        (Fired("r", 1, "warn", "scam", "own", ()),),
        severity="P1",
        department="fraud_risk",
        template="own",
    )
    found = AttentionHead(Says(escalate_person=0.95), AT).raised("…", fired)
    assert (found.action, found.severity, found.department) == ("escalate", "P1", "fraud_risk")


def test_labels_it_does_not_know_are_refused() -> None:
    classifier = Says()
    classifier.labels = ("none", "weather")
    with pytest.raises(ValueError, match="weather"):
        AttentionHead(classifier, AT)


def test_each_kind_has_its_words() -> None:
    templates = load_rules(SHIPPED, today=NOON.date()).templates
    spoken = {kind.template for kind in (*KINDS.values(), UNCLEAR)} - {""}
    assert spoken <= set(templates)
    assert all(name.startswith("attention_") for name in spoken)  # so that two people approve them


async def test_the_shipped_classifier_tells_grave_from_harmless() -> None:
    assert load_head() is not None
    attention = RiskAttention()
    attention.warm()
    grave = await attention.raise_for("刚被骗走了五万，对方把我拉黑了，怎么办", Assessment("none"))
    assert grave.action == "escalate"
    harmless = await attention.raise_for("信用卡年费多少钱", Assessment("none"))
    assert harmless.action == "none"
    assert harmless.attention < grave.attention


async def test_without_a_classifier_the_rules_stand_alone() -> None:
    found = Assessment("warn", reason="rule")
    assert await RiskAttention(lambda: None).raise_for("…", found) == found
