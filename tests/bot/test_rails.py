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
from bot.rails.greet import greet
from bot.rails.normalise import clean, detect_language, normalise
from bot.rails.owner import owner
from bot.store import Outcome, Owner
from bot.types import File, Image, InboundEvent, Location, Sticker, Voice
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
    handler = chain((normalise, owner, greet), last)
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
            {name for _, name, _, _ in string.Formatter().parse(catalogue(code)[key])} for code in LANGUAGES
        ]
        assert blanks[0] == blanks[1], key
    assert "24" in say("unknown", "en", hotline="1")
