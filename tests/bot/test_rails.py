"""Rails: what is done with each kind of message before it is answered."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config import Config
from bot.config.models import Localised
from bot.locales import LANGUAGES, catalogue, say
from bot.rails import Context, chain
from bot.rails.base import reply
from bot.rails.choices import choices
from bot.rails.greet import greet
from bot.rails.normalise import clean, detect_language, normalise, unread
from bot.rails.owner import owner
from bot.store import Outcome, Owner
from bot.types import Button, Buttons, File, Image, InboundEvent, Location, Sticker, Text, Voice
from tests.make import event

CONFIG = Config()


class Answers:
    """Stands at the end of the chain and notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Context] = []

    async def __call__(self, _event: InboundEvent, context: Context) -> Outcome:
        self.asked.append(context)
        return Outcome(seen=context.text)


async def run(incoming: InboundEvent, **context: object) -> tuple[Outcome, list[Context]]:
    last = Answers()
    handler = chain((normalise, owner, unread, greet), last)
    return await handler(incoming, Context(CONFIG, **context)), last.asked  # type: ignore[arg-type]


async def test_a_question_reaches_the_answer_cleaned_and_with_its_language() -> None:
    _, [context] = await run(event("Ｈｏｗ\u200b do I\x07 open  an account?"))
    assert (context.text, context.language) == ("How do I open an account?", "en")


@pytest.mark.parametrize(
    "text", ["", "   ", "\u200b\u200d", "\x00\x01\x02", "😀🎉", "？！。", "\u202e\u202d", "…"]
)
async def test_what_has_no_words_gets_a_polite_answer(text: str) -> None:
    outcome, asked = await run(event(text))
    assert asked == []
    [message] = outcome.messages
    assert message.kind == "notice"
    assert message.text


async def test_a_hundred_kilobytes_get_a_polite_answer_that_names_the_limit() -> None:
    outcome, asked = await run(event("长" * 100_000))
    assert asked == []
    assert "4000" in outcome.messages[0].text
    assert len(outcome.seen) <= 200


async def test_the_longest_allowed_message_is_answered() -> None:
    _, asked = await run(event("长" * 4000))
    assert len(asked) == 1


async def test_right_to_left_text_is_answered() -> None:
    _, [context] = await run(event("كيف أفتح حسابا؟"))
    assert context.text == "كيف أفتح حسابا؟"


@pytest.mark.parametrize(
    ("part", "word"),
    [
        (Image("r"), "图片"),
        (File("r"), "文件"),
        (Voice("r"), "语音"),
        (Location(1.0, 2.0), "位置"),
        (Sticker("r"), "表情"),
    ],
)
async def test_an_attachment_without_words_is_acknowledged_for_what_it_is(part: object, word: str) -> None:
    outcome, asked = await run(event("", parts=(part,)))  # type: ignore[arg-type]
    assert asked == []
    assert word in outcome.messages[0].text


async def test_an_attachment_with_words_is_answered_by_its_words() -> None:
    _, [context] = await run(event("卡丢了", parts=(Image("r"),)))
    assert context.text == "卡丢了"


async def test_while_staff_own_the_conversation_the_bot_records_and_is_silent() -> None:
    outcome, asked = await run(event("在吗"), owner=Owner("staff-1", 3))
    assert asked == []
    assert outcome.messages == ()
    assert outcome.seen == "在吗"


@pytest.mark.parametrize(
    ("kind", "value"), [("join", ""), ("command", "/start"), ("command", "/help@teller_bot")]
)
async def test_who_joins_or_starts_is_greeted_with_suggestions(kind: str, value: str) -> None:
    bank = CONFIG.bank.model_copy(
        update={"suggestions": (Localised(zh="怎么开户？", en="Open an account?"),)}
    )
    config = CONFIG.model_copy(update={"bank": bank})
    handler = chain((normalise, owner, greet), Answers())
    outcome = await handler(event("", kind=kind, value=value, locale="en-GB"), Context(config))  # type: ignore[arg-type]
    [message] = outcome.messages
    assert message.text == bank.greeting.en
    assert message.parts[1].choices[0].value == "say:Open an account?"  # type: ignore[union-attr]


async def test_a_system_event_is_recorded_without_an_answer() -> None:
    outcome, asked = await run(event("", kind="system"))
    assert (outcome.messages, asked) == ((), [])


@pytest.mark.parametrize(
    ("text", "known", "locale", "language"),
    [
        ("信用卡丢了", "", "", "zh"),
        ("my card is lost", "zh", "", "en"),
        ("credit card 丢了", "", "", "zh"),
        ("what does 挂失 mean here", "", "", "en"),
        ("12345", "en", "", "en"),
        ("12345", "", "en-GB", "en"),
        ("12345", "", "", "zh"),
        ("12345", "", "zh-TW", "zh"),
    ],
)
def test_the_language_is_that_of_the_words_then_of_the_conversation_then_of_the_platform(
    text: str, known: str, locale: str, language: str
) -> None:
    assert detect_language(text, known, locale) == language


@given(st.text(max_size=300))
def test_cleaning_leaves_nothing_invisible_and_is_idempotent(text: str) -> None:
    cleaned = clean(text)
    assert all(c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co") for c in cleaned)
    assert clean(cleaned) == cleaned


def test_both_languages_say_the_same_things_with_the_same_blanks() -> None:
    import string

    assert catalogue("zh").keys() == catalogue("en").keys()
    for key in catalogue("zh"):
        blanks = [
            {name for _, name, _, _ in string.Formatter().parse(catalogue(code)[key]) if name is not None}
            for code in LANGUAGES
        ]
        assert blanks[0] == blanks[1], key
    assert "24" in say("unknown", "en", hotline="1")


# ── choices by number or words ──

CHOICES = (Button("挂失", "kb:lost"), Button("开户", "kb:open"))
MENU = Outcome(messages=(reply(event("x"), "zh", Text("您想问的是？"), Buttons(CHOICES)),))


async def choose(text: str, state: dict[str, object], **context: object) -> InboundEvent:
    """The event that comes out of the choices rail."""
    seen: list[InboundEvent] = []

    async def last(incoming: InboundEvent, _context: Context) -> Outcome:
        seen.append(incoming)
        return Outcome()

    await choices(last, event(text), Context(CONFIG, state=state, **context))  # type: ignore[arg-type]
    return seen[0]


async def offered() -> dict[str, object]:
    async def menu(_event: InboundEvent, _context: Context) -> Outcome:
        return MENU

    outcome = await choices(menu, event("?"), Context(CONFIG, state={"other": 1}))
    assert outcome.state is not None
    assert outcome.state["other"] == 1
    return outcome.state


@pytest.mark.parametrize(
    "text", ["2", "２", "2.", "第2个", "第二个", "选2", "二", "Option 2", "#2", "开户", " 开户 "]
)
async def test_a_number_or_the_words_of_a_choice_press_it(text: str) -> None:
    pressed = await choose(text, await offered())
    assert (pressed.kind, pressed.value, pressed.text) == ("button", "kb:open", "开户")


@pytest.mark.parametrize("text", ["3", "0", "22", "2元", "2个账户怎么开", "我要开户", "", "2" * 5000])
async def test_what_is_no_choice_stays_a_message(text: str) -> None:
    said = await choose(text, await offered())
    assert (said.kind, said.text) == ("message", text)


async def test_a_number_without_an_offer_or_to_staff_stays_a_message() -> None:
    assert (await choose("2", {})).kind == "message"
    assert (await choose("2", await offered(), owner=Owner("staff:1", 1))).kind == "message"


async def test_the_next_answer_without_choices_ends_the_offer() -> None:
    async def plain(incoming: InboundEvent, _context: Context) -> Outcome:
        return Outcome(messages=(reply(incoming, "zh", Text("好")),))

    outcome = await choices(plain, event("谢谢"), Context(CONFIG, state=await offered()))
    assert outcome.state is not None
    assert outcome.state["choices"] == []


async def test_a_say_choice_picked_by_number_is_a_message_like_any_other() -> None:
    last = Answers()
    handler = chain((choices, normalise, owner, greet), last)
    state = {"choices": [["转账多久到账？", "say:转账多久到账？"]]}
    await handler(event("1"), Context(CONFIG, state=state))
    assert last.asked[0].text == "转账多久到账?"


# ── what platforms report ──


@pytest.mark.parametrize(
    ("value", "before", "after"),
    [
        ("desk_taken", "", "desk:zhang"),
        ("desk_returned", "desk:zhang", ""),
        ("desk_returned", "staff:li", None),
        ("blocked", "", None),
        ("unblocked", "desk:zhang", None),
    ],
)
async def test_the_platform_s_desk_takes_over_and_gives_back(
    value: str, before: str, after: str | None
) -> None:
    report = event("", chat="zhang", kind="system", value=value)
    outcome, asked = await run(report, owner=Owner(before, 1))
    assert (outcome.owner, asked, outcome.messages) == (after, [], ())
    [entry] = outcome.audit
    assert entry.kind == f"system.{value}"


async def test_an_unknown_command_is_answered_and_one_with_words_is_a_question() -> None:
    outcome, asked = await run(event("", kind="command", value="/dance"))
    assert asked == []
    assert "/dance" in outcome.messages[0].text
    _, [context] = await run(event("转账多久到账", kind="command", value="/ask"))
    assert context.text == "转账多久到账"
