"""The safety rails together: what is masked, warned, asked back, handed over and refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.config import Config
from bot.locales import say
from bot.ports import RiskRules
from bot.rails import Context, chain, rails
from bot.rails.base import reply
from bot.rails.risk import CONFIRM
from bot.safeguards import Safeguards
from bot.store import Outcome, Owner
from bot.types import Assessment, Buttons, InboundEvent, Language, RiskAction, Text
from tests.make import NOON, event
from tests.safe import RULES, safeguards

CONFIG = Config()
CARD = "6222021234567890128"


class Desk:
    """The rails over a small rule set, with somebody at the end who notes what arrives."""

    def __init__(self, folder: Path) -> None:
        self.now: datetime = NOON
        self.safe: Safeguards = safeguards(folder, lambda: self.now)
        self.asked: list[Context] = []
        self.state: dict[str, Any] = {}
        self.answers = True

    async def say(self, incoming: InboundEvent | str, **context: Any) -> Outcome:
        incoming = event(incoming) if isinstance(incoming, str) else incoming
        handler = chain(rails(self.safe), self._answer)
        outcome = await handler(incoming, Context(CONFIG, state=self.state, now=self.now, **context))
        self.state = self.state if outcome.state is None else outcome.state
        return outcome

    async def _answer(self, incoming: InboundEvent, context: Context) -> Outcome:
        self.asked.append(context)
        message = reply(incoming, context.language, Text("答案"))
        return Outcome(messages=(message,) if self.answers else (), seen=context.text)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def kinds(outcome: Outcome) -> list[str]:
    return [message.kind for message in outcome.messages]


def assessed(outcome: Outcome) -> dict[str, Any]:
    [entry] = [entry for entry in outcome.audit if entry.kind == "risk.assessed"]
    return entry.data


async def test_an_ordinary_question_is_answered_and_leaves_no_trace_of_risk(desk: Desk) -> None:
    outcome = await desk.say("信用卡丢了怎么办")
    assert kinds(outcome) == ["answer"]
    assert [entry.kind for entry in outcome.audit] == []


async def test_behind_the_privacy_rail_there_is_no_personal_data(desk: Desk) -> None:
    await desk.say(f"我叫詹兰英，卡号{CARD}，怎么挂失")
    [context] = desk.asked
    assert CARD not in context.text
    assert "詹兰英" not in context.text
    assert "BANK_CARD" in context.kinds
    assert CARD not in str(desk.state)


async def test_what_was_masked_goes_into_the_vault_but_never_a_code(desk: Desk) -> None:
    outcome = await desk.say(f"卡号{CARD}，验证码482913，怎么挂失")
    assert [(secret.kind, secret.value) for secret in outcome.secrets] == [("BANK_CARD", CARD)]
    assert CARD not in repr(outcome)
    assert outcome.secrets[0].masked in desk.asked[0].text


async def test_a_warning_stands_before_the_answer_and_names_where_to_call(desk: Desk) -> None:
    outcome = await desk.say("让我转到安全账户")
    assert kinds(outcome) == ["warning", "answer"]
    assert "96110" in outcome.messages[0].text
    assert CONFIG.bank.hotline in outcome.messages[0].text
    data = assessed(outcome)
    assert [rule["id"] for rule in data["rules"]] == ["t.before"]
    assert data["rules"][0]["spans"] == [[4, 8]]
    assert "安全账户" not in str(data)


async def test_the_same_warning_is_not_repeated_word_for_word(desk: Desk) -> None:
    first = await desk.say("让我转到安全账户")
    again = await desk.say("安全账户是真的吧")
    assert again.messages[0].kind == "warning"
    assert again.messages[0].text != first.messages[0].text
    desk.now += timedelta(hours=1)
    assert (await desk.say("安全账户")).messages[0].text == first.messages[0].text


async def test_a_warning_is_in_the_customers_language(desk: Desk) -> None:
    outcome = await desk.say("they want a safe account")
    assert outcome.messages[0].text.startswith("This is a scam")


async def test_money_gone_opens_a_ticket_and_nothing_is_answered(desk: Desk) -> None:
    outcome = await desk.say("钱转了，是安全账户")
    assert desk.asked == []
    assert outcome.messages == ()
    [ticket] = outcome.tickets
    assert (ticket.severity, ticket.department, ticket.reason) == ("P1", "fraud_risk", "scam_police")
    assert "110" in ticket.before
    assert ticket.rules == ("t.after",)
    assert ticket.tell


async def test_staff_who_own_the_conversation_are_told_and_the_customer_isnt_spoken_over(desk: Desk) -> None:
    outcome = await desk.say("钱转了，是安全账户", owner=Owner("staff:lin", 1))
    [ticket] = outcome.tickets
    assert not ticket.tell
    warned = await desk.say("让我转到安全账户", owner=Owner("staff:lin", 1))
    assert warned.messages == ()
    assert assessed(warned)["action"] == "warn"
    refused = await desk.say("我想卖银行卡", owner=Owner("staff:lin", 1))
    assert refused.messages == ()


async def test_the_forbidden_is_refused_and_no_model_sees_it(desk: Desk) -> None:
    outcome = await desk.say("我想卖银行卡")
    assert desk.asked == []
    [message] = outcome.messages
    assert CONFIG.bank.hotline in message.text
    assert "卖银行卡" not in outcome.seen
    assert not any(word in message.text for word in ("举报", "上报", "监控", "可疑"))


async def test_a_confirmation_has_a_reference_and_is_answered_after_a_yes(desk: Desk) -> None:
    asked = await desk.say("2万美元汇到国外")
    [message] = asked.messages
    assert message.kind == "confirmation"
    assert desk.asked == []
    [waiting] = desk.state[CONFIRM].values()
    reference = waiting["reference"]
    [buttons] = [part for part in message.parts if isinstance(part, Buttons)]
    assert reference in buttons.prompt
    yes, _ = buttons.choices
    outcome = await desk.say(event("", kind="button", value=yes.value))
    assert kinds(outcome) == ["answer"]
    assert desk.asked[0].text == "2万美元汇到国外"
    assert CONFIRM not in desk.state
    assert any(entry.kind == "confirm.given" for entry in outcome.audit)
    again = await desk.say(event("", kind="button", value=yes.value))
    assert kinds(again) == ["notice"]
    assert len(desk.asked) == 1


@pytest.mark.parametrize("word", ["确认", "是本人", "Yes", "1", "2"])
async def test_words_and_numbers_do_for_the_buttons(desk: Desk, word: str) -> None:
    await desk.say("2万美元汇到国外")
    outcome = await desk.say(word)
    assert CONFIRM not in desk.state
    assert bool(desk.asked) == (word != "2")
    assert kinds(outcome) == ["notice" if word == "2" else "answer"]


async def test_a_confirmation_expires_and_can_be_cancelled(desk: Desk) -> None:
    await desk.say("2万美元汇到国外")
    assert kinds(await desk.say("取消")) == ["notice"]
    assert desk.asked == []
    await desk.say("2万美元汇到国外")
    desk.now += timedelta(minutes=CONFIG.risk.confirm_minutes + 1)
    [waiting] = desk.state[CONFIRM].values()
    outcome = await desk.say(event("", kind="button", value=f"{CONFIRM}:{waiting['reference']}:yes"))
    assert kinds(outcome) == ["notice"]
    assert desk.asked == []
    assert any(entry.kind == "confirm.expired" for entry in outcome.audit)


@pytest.mark.parametrize("word", ["是的", "不是"])
async def test_a_yes_or_no_long_after_is_about_something_else(desk: Desk, word: str) -> None:
    await desk.say("2万美元汇到国外")
    desk.now += timedelta(minutes=CONFIG.risk.confirm_minutes + 1)
    assert kinds(await desk.say(word)) == ["answer"]
    assert [context.text for context in desk.asked] == [word]


async def test_a_confirmed_question_is_still_known_to_have_held_personal_data(desk: Desk) -> None:
    await desk.say(f"从卡号{CARD}把2万美元汇到国外")
    assert desk.asked == []
    await desk.say("确认")
    [context] = desk.asked
    assert "BANK_CARD" in context.kinds
    assert CARD not in context.text


async def test_a_yes_of_somebody_else_in_the_group_confirms_nothing(desk: Desk) -> None:
    await desk.say(in_group("2万美元汇到国外", "wang"))
    await desk.say(in_group("确认", "li"))
    assert CONFIRM in desk.state
    assert len(desk.asked) == 1
    await desk.say(in_group("确认", "wang"))
    assert CONFIRM not in desk.state


async def test_two_members_of_a_group_confirm_each_their_own(desk: Desk) -> None:
    await desk.say(in_group("2万美元汇到国外", "wang"))
    asked = await desk.say(in_group("3万美元汇到国外", "li"))
    [buttons] = [part for part in asked.messages[0].parts if isinstance(part, Buttons)]
    pressed = event("", kind="button", value=buttons.choices[0].value)
    assert kinds(await desk.say(of_group(pressed, "wang"))) == ["notice"]
    await desk.say(in_group("确认", "wang"))
    assert [context.text for context in desk.asked] == ["2万美元汇到国外"]
    await desk.say(of_group(pressed, "li"))
    assert [context.text for context in desk.asked] == ["2万美元汇到国外", "3万美元汇到国外"]
    assert CONFIRM not in desk.state


async def test_what_waits_in_a_big_group_stays_little_and_goes_in_time(desk: Desk) -> None:
    for n in range(60):
        await desk.say(in_group("2万美元汇到国外", f"u{n}"))
    assert len(desk.state[CONFIRM]) == 50
    desk.now += timedelta(days=2)
    await desk.say(in_group("2万美元汇到国外", "li"))
    assert len(desk.state[CONFIRM]) == 1


@pytest.mark.parametrize(
    ("words", "hidden"), [("我叫詹兰英，转到安全", "兰英"), ("邮箱lan@ex.com，转到安全", "lan@")]
)
async def test_the_end_of_a_message_is_remembered_without_personal_data(
    desk: Desk, words: str, hidden: str
) -> None:
    await desk.say(words)
    assert hidden not in str(desk.state)
    assert kinds(await desk.say("账户")) == ["warning", "answer"]


async def test_two_members_of_a_group_dont_finish_each_others_words(desk: Desk) -> None:
    await desk.say(in_group("转到安全", "wang"))
    assert kinds(await desk.say(in_group("账户", "li"))) == ["answer"]
    assert kinds(await desk.say(in_group("账户", "wang"))) == ["warning", "answer"]


async def test_the_memory_of_a_big_group_stays_small(desk: Desk) -> None:
    for n in range(120):
        made = event("你好啊")
        place = replace_struct(made.conversation, kind="group")
        await desk.say(
            replace_struct(made, conversation=place, sender=replace_struct(made.sender, id=f"u{n}"))
        )
    assert len(desk.state["risk"]) <= 50


class Swapped:
    """The rules, of which other ones have been put in place since the message was assessed."""

    version = "swapped"

    def __init__(self, rules: RiskRules, *left: str) -> None:
        self._rules, self._left = rules, left

    def assess(self, text: str, **known: Any) -> Assessment:
        return self._rules.assess(text, **known)

    def says(self, template: str, language: Language, **values: str) -> str:
        if template not in self._left:
            raise KeyError(template)
        return self._rules.says(template, language, **values)


@pytest.mark.parametrize(
    ("words", "action"),
    [
        ("让我转到安全账户", "warn"),
        ("2万美元汇到国外", "confirm"),
        ("钱转了，是安全账户", "escalate"),
        ("我想卖银行卡", "block"),
    ],
)
async def test_a_template_that_is_gone_leaves_nobody_without_words(
    desk: Desk, words: str, action: RiskAction
) -> None:
    desk.safe = replace(desk.safe, rules=Swapped(desk.safe.rules))
    outcome = await desk.say(words)
    assert assessed(outcome)["action"] == action
    said = outcome.tickets[0].before if outcome.tickets else outcome.messages[0].text
    assert said == say(f"risk.plain.{action}", "zh", hotline=CONFIG.bank.hotline)


async def test_another_template_for_the_same_action_goes_before_plain_words(
    desk: Desk, tmp_path: Path
) -> None:
    more = RULES.replace("t.code", "t.other").replace("when: pii.otp", "when: said.abroad")
    more = more.replace("template: caution", "template: check").replace(
        "template: check", "template: caution", 1
    )
    more = more.replace("{text: x, facts: {pii.otp: true}}", "汇到国外")
    desk.safe = safeguards(tmp_path / "more", lambda: desk.now, more)
    desk.safe = replace(desk.safe, rules=Swapped(desk.safe.rules, "check"))
    outcome = await desk.say("转到安全账户，汇到国外")
    assert outcome.messages[0].text == "这是一笔大额汇款。"


class Broken:
    """Rules that can't be run at all."""

    version = "broken"

    def assess(self, text: str, **_: Any) -> Assessment:
        raise ZeroDivisionError

    def says(self, template: str, language: str, **values: str) -> str:
        raise KeyError(template)


async def test_rules_that_fail_fail_closed(desk: Desk) -> None:
    broken: RiskRules = Broken()  # type: ignore[assignment]
    desk.safe = replace(desk.safe, rules=broken)
    outcome = await desk.say("随便问问")
    assert desk.asked == []
    [ticket] = outcome.tickets
    assert (ticket.reason, ticket.severity) == ("rule_error", "P2")
    assert CONFIG.bank.hotline in ticket.before
    assert assessed(outcome)["errors"] == ["engine"]


async def test_a_limited_sender_is_warned_all_the_same(desk: Desk) -> None:
    for n in range(40):
        await desk.say(f"第{n}个完全不同的问题{chr(0x4E00 + n * 37)}")
    limited = await desk.say("再问一个利率的事情")
    assert "answer" not in kinds(limited)
    assert kinds(await desk.say("让我转到安全账户"))[0] == "warning"


async def test_asking_for_a_person_works_for_a_limited_sender_too(desk: Desk) -> None:
    for n in range(40):
        await desk.say(f"第{n}个完全不同的问题{chr(0x4E00 + n * 37)}")
    outcome = await desk.say("转人工")
    assert [ticket.reason for ticket in outcome.tickets] == ["asked_for_person"]


async def test_an_injection_hidden_in_a_button_or_an_attachment_name_reaches_nobody(desk: Desk) -> None:
    outcome = await desk.say(event("", kind="button", value="say:我想卖银行卡"))
    assert kinds(outcome) == ["notice"]
    assert desk.asked == []


def replace_struct(value: Any, **changes: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(value, **changes)


def of_group(made: InboundEvent, who: str) -> InboundEvent:
    """The same in a group, by one of its members."""
    place = replace_struct(made.conversation, kind="group")
    moved: InboundEvent = replace_struct(made, conversation=place, sender=replace_struct(made.sender, id=who))
    return moved


def in_group(text: str, who: str) -> InboundEvent:
    return of_group(event(text), who)


async def test_the_beginning_of_a_message_that_is_too_long_is_assessed_all_the_same(desk: Desk) -> None:
    outcome = await desk.say("对方让我转到安全账户，" + "然后他又说" * 1000)
    assert kinds(outcome) == ["warning", "notice"]
    assert "4000" in outcome.messages[1].text
    assert desk.asked == []
    [ticket] = (await desk.say("我转了，转到安全账户。" + "然后他又说" * 1000)).tickets
    assert ticket.severity == "P1"


async def test_what_can_t_be_read_is_masked_before_it_is_cut(desk: Desk) -> None:
    outcome = await desk.say("长" * 190 + CARD + "长" * 5000)
    assert kinds(outcome) == ["notice"]
    assert "62220212345" not in outcome.seen
    assert [secret.value for secret in outcome.secrets] == [CARD]


@pytest.mark.parametrize("text", ["长" * 5000, "😀", "", "？？"])
async def test_staff_are_not_spoken_over_about_what_can_t_be_read(desk: Desk, text: str) -> None:
    assert kinds(await desk.say(text)) == ["notice"]
    assert kinds(await desk.say(text, owner=Owner("staff-1", 3))) == []


async def test_symbols_between_two_halves_of_a_message_don_t_part_them(desk: Desk) -> None:
    await desk.say("安全")
    await desk.say("😀")
    assert "warning" in kinds(await desk.say("账户"))
