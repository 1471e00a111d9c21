"""What is wrong with a rule is refused with its file and line, all at once; the running set stays."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from bot.errors import ConfigError, TellerError
from inference.rules import RuleEngine, approvals, load_rules
from inference.rules.examples import run_examples
from inference.rules.live import LiveRules
from tests.safe import RULES, approve_all, engine_of


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        engine_of(folder, text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("severity: P2", "severity: P2\n    colour: red", "unknown key 'rules.0.colour'"),
        ("severity: P2", "severty: P2", "did you mean 'severity'"),
        ("said.safe_account && !said.moved", "said.safe_acount", "did you mean 'said.safe_account'?"),
        ("said.safe_account && !said.moved", "said.safe_account &&", "Syntax error"),
        ("said.safe_account && !said.moved", "amount.cny > 'much'", "no matching overload"),
        ("said.safe_account && !said.moved", "amount.cny + 1", "not true or false"),
        ("said.safe_account && !said.moved", "'[1, 2].all(x, x > 0)'", "loops"),
        ("said.safe_account && !said.moved", "'!said.moved'", "true of an empty message"),
        ("template: caution", "template: cation", "no template 'cation'"),
        ("{hotline}。", "{phone}。", "{phone} can't be filled in"),
        ("{hotline}。", "{amount}。", "{amount} can't be filled in"),
        ("{hotline}。", "{hotline}}。", "stands alone"),
        ("fire: [转到安全账户]", "fire: [{text: 转到安全账户, facts: {custmer.age: 70}}]", "'customer.age'?"),
        ("fire: [转到安全账户]", "fire: [{text: 转到安全账户, facts: {customer.age: x}}]", "a whole number"),
        ("fire: [转到安全账户]", "fire: [{text: 安全账户, context: {product: {risk: R9}}}]", "is no level"),
        ("action: warn", "action: shout", "'block', 'escalate', 'confirm' or 'warn'"),
        (
            "effective_from: 2020-01-01",
            "effective_from: 2020-01-01\n    effective_to: 2026-01-01",
            "expired on 2026-01-01",
        ),
        (
            "effective_from: 2020-01-01",
            "effective_from: 2020-01-01\n    effective_to: 2019-01-01",
            "lies before",
        ),
        ("fire: [转到安全账户]", "fire: []", "at least 1 item"),
        ("zh: [安全账户]", "zh: [(安全账户]", "every ( needs its )"),
        ("id: t.after", "id: t.before", "is there already"),
        ("source: the test", "source: x", "at least 4 characters"),
        ("severity: P2", "severity: P2\n    jurisdiction: [XX]", "is no known country"),
        ("severity: P2", "severity: P2\n    jurisdiction: [CN, cn]", "is no known country"),
        ("severity: P2", "severity: P2\n    jurisdiction: []", "at least 1 item"),
        (
            "fire: [转到安全账户]",
            "fire: [{text: 安全账户, context: {amont: 5}}]",
            "'context.amont'; did you mean 'amount'?",
        ),
        (
            "fire: [转到安全账户]",
            "fire: [{text: 安全账户, context: {customer: {risk: C3}}}]",
            "'context.customer.risk'",
        ),
        ("fire: [转到安全账户]", "fire: [{text: 安全账户, context: {product: R3}}]", "it needs risk"),
        ("fire: [转到安全账户]", "fire: [{text: 安全账户, context: {payee: novel}}]", "write new or known"),
    ],
)
def test_a_rule_that_is_wrong_is_refused_with_its_line(
    tmp_path: Path, was: str, becomes: str, says: str
) -> None:
    assert was in RULES
    message = refused(tmp_path, RULES.replace(was, becomes, 1))
    assert says in message
    assert "rules.yaml:" in message


def test_a_caret_shows_where_a_condition_is_wrong(tmp_path: Path) -> None:
    message = refused(
        tmp_path, RULES.replace("said.safe_account && !said.moved", "said.moved && said.nothing")
    )
    line, caret = message.splitlines()[-2:]
    assert line[caret.index("^") :].startswith(".nothing") or line[caret.index("^") :].startswith("said")


@pytest.mark.parametrize(
    ("was", "becomes", "at"),
    [
        ("severity: P2", "severity: P2\n    colour: red", "colour:"),
        ("severity: P2", "severity: P9", "P9"),
        ("template: caution", "template: cation", "cation"),
        (
            "effective_from: 2020-01-01",
            "effective_from: 2020-01-01\n    effective_to: 2026-01-01",
            "2026-01-01",
        ),
        ("severity: P2", "severity: P2\n    jurisdiction: [CN, XX]", "XX"),
        ("fire: [转到安全账户]", "fire: [{text: 安全账户, context: {amont: 5}}]", "amont"),
        ("said.safe_account && !said.moved", "'[1, 2].all(x, x > 0)'", "'[1, 2]"),
    ],
)
def test_a_caret_shows_where_a_rule_is_wrong(tmp_path: Path, was: str, becomes: str, at: str) -> None:
    line, caret = refused(tmp_path, RULES.replace(was, becomes, 1)).splitlines()[-2:]
    assert line[caret.index("^") :].startswith(at)


def test_conditions_that_refer_to_themselves_are_refused(tmp_path: Path) -> None:
    loop = "conditions: {a: is.b || said.moved, b: is.a}\n" + RULES
    assert "refers to itself: a → b → a" in refused(tmp_path, loop)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = RULES.replace("template: caution", "template: gone", 1).replace(
        "when: said.sell", "when: said.sel"
    )
    message = refused(tmp_path, text)
    assert "gone" in message
    assert "said.sel" in message


def test_an_example_that_cannot_be_evaluated_fails(tmp_path: Path) -> None:
    text = RULES.replace(
        "when: said.abroad && amount.usd >= 1000000",
        "when: said.abroad && amount.usd * 9223372036854775807 > 5",
    )
    _, failures = run_examples(engine_of(tmp_path, text).rules, "t.abroad")
    assert "can't be evaluated" in str(failures[0])


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"add \*.yaml files"):
        load_rules(tmp_path, today=date(2026, 11, 23))


def test_it_takes_two_people(tmp_path: Path) -> None:
    rules = list(engine_of(tmp_path).rules.rules)
    now = datetime(2026, 11, 23, tzinfo=UTC)
    with pytest.raises(TellerError, match="teller rules propose"):
        approvals.approve(tmp_path, rules, "mo", now)
    assert len(approvals.propose(tmp_path, rules, "lin", now)) == 5
    assert approvals.propose(tmp_path, rules, "lin", now) == []
    with pytest.raises(TellerError, match="somebody else must approve"):
        approvals.approve(tmp_path, rules, "lin", now)
    assert approvals.approved_digests(tmp_path) == frozenset()
    assert len(approvals.approve(tmp_path, rules, "mo", now)) == 5
    assert len(approvals.approved_digests(tmp_path)) == 5
    text = (tmp_path / approvals.APPROVALS).read_text(encoding="utf-8")
    (tmp_path / approvals.APPROVALS).write_text(
        text.replace("approved_by: mo", "approved_by: lin"), encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="another one must approve"):
        approvals.read_approvals(tmp_path)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("zh: [安全账户]", "zh: [安全账户, 监管账户]"),
        ("zh: [安全账户]", "zh: [安全账户]\n    but_not: [安全账户险]"),
        ("a: said.sell", "a: said.sell && !said.moved"),
        ("这是骗局", "这没事"),
    ],
)
async def test_what_an_approved_rule_is_built_on_needs_approval_too(
    tmp_path: Path, was: str, becomes: str
) -> None:
    text = (
        RULES.replace("{zh: [安全账户], en: [safe account], sounds: true}", "\n    zh: [安全账户]").replace(
            "when: said.sell", "when: is.b"
        )
        + "\nconditions:\n  a: said.sell\n  b: is.a\n"
    )
    assert was in text
    approve_all(engine_of(tmp_path, text), tmp_path)
    live = LiveRules(tmp_path, jurisdiction="CN")
    assert live.unapproved() == []
    (tmp_path / "rules.yaml").write_text(text.replace(was, becomes), encoding="utf-8")
    with pytest.raises(ConfigError, match="isn't approved"):
        await live.reload()


async def test_a_running_set_takes_what_is_good_and_approved_and_nothing_else(tmp_path: Path) -> None:
    engine_of(tmp_path)
    approve_all(RuleEngine(load_rules(tmp_path, today=date(2026, 11, 23))), tmp_path)
    live = LiveRules(tmp_path, jurisdiction="CN")
    assert live.unapproved() == []
    first = live.version
    file = tmp_path / "rules.yaml"

    file.write_text(RULES.replace("action: warn", "action: shout"), encoding="utf-8")
    with pytest.raises(ConfigError, match="shout"):
        await live.reload()
    file.write_text(RULES.replace("when: said.sell", "when: said.sell && said.moved"), encoding="utf-8")
    with pytest.raises(ConfigError, match="an example fails"):
        await live.reload()
    weaker = RULES.replace("action: block", "action: warn")
    file.write_text(weaker, encoding="utf-8")
    with pytest.raises(ConfigError, match="isn't approved"):
        await live.reload()
    assert live.version == first

    approve_all(RuleEngine(load_rules(tmp_path, today=date(2026, 11, 23))), tmp_path)
    assert await live.reload()
    assert live.version != first
    assert not await live.reload()


def written(folder: Path, text: str) -> None:
    (folder / "rules.yaml").write_text(text, encoding="utf-8")


def agreed(folder: Path) -> None:
    approve_all(RuleEngine(load_rules(folder, today=date(2026, 11, 23))), folder)


RETIRED = RULES.replace(
    "severity: P2\n    action: block", "severity: P2\n    status: retired\n    action: block"
)
DELETED = RULES[: RULES.index("  - id: t.sell")] + RULES[RULES.index("  - id: t.code") :]
WORDS = """  attention_look: {zh: "请小心。", en: "Take care."}
rules:
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (RETIRED, "t.sell acts and was made retired without approval"),
        (RETIRED.replace("retired", "draft"), "t.sell acts and was made a draft"),
        (DELETED, "t.sell was deleted while it acts"),
        (
            RULES.replace("action: block", "action: block\n    jurisdiction: [US]"),
            "t.sell was changed and isn't approved",
        ),
        (
            RULES.replace("id: t.sell", "id: t.sold"),
            "t.sell was deleted while it acts",
        ),
    ],
)
async def test_one_person_cannot_end_a_rule_that_acts(tmp_path: Path, text: str, says: str) -> None:
    engine_of(tmp_path)
    agreed(tmp_path)
    live = LiveRules(tmp_path, jurisdiction="CN")
    written(tmp_path, text)
    with pytest.raises(ConfigError, match=says):
        await live.reload()
    assert "t.sell" in {rule.id for rule in live.engine.acting()}
    # A process that starts anew has nothing to hold it against but the approvals.
    assert "t.sell" in LiveRules(tmp_path, jurisdiction="CN").unapproved()


@pytest.mark.parametrize("then", [RETIRED, DELETED])
async def test_two_people_may_retire_a_rule_and_then_it_may_go(tmp_path: Path, then: str) -> None:
    engine_of(tmp_path)
    agreed(tmp_path)
    live = LiveRules(tmp_path, jurisdiction="CN")
    written(tmp_path, RETIRED)
    agreed(tmp_path)
    written(tmp_path, then)
    assert await live.reload()
    assert "t.sell" not in {rule.id for rule in live.engine.acting()}
    assert live.unapproved() == LiveRules(tmp_path, jurisdiction="CN").unapproved() == []
    written(tmp_path, RULES)
    assert await live.reload()
    assert live.unapproved() == ["t.sell"]


async def test_the_words_of_the_classifier_need_two_people_too(tmp_path: Path) -> None:
    text = RULES.replace("rules:\n", WORDS, 1)
    engine_of(tmp_path, text)
    assert "templates.attention" in LiveRules(tmp_path, jurisdiction="CN").unapproved()
    agreed(tmp_path)
    live = LiveRules(tmp_path, jurisdiction="CN")
    assert live.unapproved() == []
    written(tmp_path, text.replace("请小心。", "放心转。"))
    with pytest.raises(ConfigError, match="what the classifier says was changed"):
        await live.reload()
    written(tmp_path, RULES)
    with pytest.raises(ConfigError, match="what the classifier says is gone"):
        await live.reload()
    assert live.says("attention_look", "zh") == "请小心。"
    written(tmp_path, text.replace("请小心。", "放心转。"))
    assert LiveRules(tmp_path, jurisdiction="CN").unapproved() == ["templates.attention"]
    agreed(tmp_path)
    assert await live.reload()
    assert live.says("attention_look", "zh") == "放心转。"
    assert "is there already" in refused(tmp_path, text.replace("t.sell", "templates.attention"))


async def test_a_start_says_what_no_longer_acts(tmp_path: Path) -> None:
    engine_of(tmp_path)
    agreed(tmp_path)
    written(tmp_path, RULES.replace("action: block", "action: warn"))
    assert LiveRules(tmp_path, jurisdiction="CN").unapproved() == ["t.sell"]
    agreed(tmp_path)
    assert LiveRules(tmp_path, jurisdiction="CN").unapproved() == []
