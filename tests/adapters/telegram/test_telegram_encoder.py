"""What goes over the wire for a message, and texts with formatting."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from telegram import MessageEntity

from adapters.telegram.buttons import callback_data, is_kept, keyboard, long_values
from adapters.telegram.encoder import FileCall, TextCall, encode, notes_needed
from adapters.telegram.entities import Rich, Span, cut, paragraphs, pieces, utf16_slice
from bot.types import (
    Button,
    Buttons,
    Card,
    Citation,
    Conversation,
    FileOut,
    HandOver,
    ImageOut,
    Language,
    OutboundMessage,
    OutPart,
    Sources,
    Text,
    Votes,
)
from tests.emulators.telegram_rules import check_entities, check_keyboard, check_text, utf16


def message(*parts: OutPart, language: Language = "zh") -> OutboundMessage:
    return OutboundMessage(Conversation("telegram", "default", "7"), parts, "k", "answer", "", language)


def flat(call: TextCall | FileCall) -> Any:
    """A call as plain values."""
    if isinstance(call, FileCall):
        return ("photo" if call.photo else "document", call.ref, call.name, call.caption)
    entities = [dict(entity.to_dict()) for entity in call.entities]
    return (call.text, entities, call.keyboard.to_dict()["inline_keyboard"] if call.keyboard else [])


def test_votes_are_the_last_row_of_the_keyboard() -> None:
    votes = Votes("vote:up:17", "vote:down:17")
    [call] = encode(message(Text("年费 200 元。"), Buttons((Button("办卡", "apply"),)), votes))
    rows = [[(key["text"], key["callback_data"]) for key in row] for row in flat(call)[2]]
    assert rows == [[("办卡", "apply")], [("👍", "vote:up:17"), ("👎", "vote:down:17")]]


def test_votes_on_a_message_with_a_long_id_are_kept_in_notes() -> None:
    votes = Votes("vote:up:" + "9" * 80, "vote:down:" + "9" * 80)
    answer = message(Text("好"), votes)
    [call] = encode(answer)
    assert set(notes_needed(answer).values()) == {votes.up, votes.down}
    assert all(is_kept(key["callback_data"]) for row in flat(call)[2] for key in row)


def test_two_sections_of_one_document_are_one_link() -> None:
    sources = Sources(
        (
            Citation("a#1", "收费标准", uri="https://bank.example/fees#1"),
            Citation("a#2", "收费标准", uri="https://bank.example/fees#2"),
        )
    )
    (call,) = encode(message(Text("每笔两元。"), sources))
    assert isinstance(call, TextCall)
    (link,) = call.entities
    assert call.text[link.offset : link.offset + link.length] == "收费标准"
    assert link.url == "https://bank.example/fees#1"


def key(text: str, data: str) -> dict[str, str]:
    return {"text": text, "callback_data": data}


def test_an_answer_with_sources_and_questions_is_one_message() -> None:
    calls = encode(
        message(
            Text("💳 请先挂失，再补卡。"),
            Sources((Citation("a", "银行卡挂失", uri="https://bank.example/lost"), Citation("b", "补卡"))),
            Buttons(
                (Button("补卡多少钱", "kb:replace.fee"), Button("多久能拿到", "kb:replace.time")),
                "您可能还想问：",
            ),
        )
    )
    assert [flat(call) for call in calls] == [
        (
            "💳 请先挂失，再补卡。\n\n来源：《银行卡挂失》《补卡》\n\n您可能还想问：",
            [{"type": "text_link", "offset": 18, "length": 5, "url": "https://bank.example/lost"}],
            [[key("补卡多少钱", "kb:replace.fee")], [key("多久能拿到", "kb:replace.time")]],
        )
    ]


def test_a_card_has_a_bold_title_and_its_buttons() -> None:
    card = Card(
        "贷款试算 🏠", (("月供", "4,774.15 元"), ("APR", "3.1%")), "等额本息", (Button("再算", "again"),)
    )
    [call] = encode(message(card))
    assert flat(call) == (
        "贷款试算 🏠\n月供：4,774.15 元\nAPR: 3.1%\n等额本息",
        [{"type": "bold", "offset": 0, "length": 7}],
        [[key("再算", "again")]],
    )


def test_buttons_alone_have_words_above_them() -> None:
    assert flat(encode(message(Buttons((Button("是", "y"), Button("否", "n")))))[0])[0] == "请选择："
    english = encode(message(Buttons((Button("Yes", "y"), Button("No", "n"))), language="en"))
    assert flat(english[0]) == ("Please choose:", [], [[key("Yes", "y"), key("No", "n")]])


def test_a_picture_carries_its_description_and_a_file_its_name() -> None:
    calls = encode(message(Text("日报"), ImageOut("r1", "风险指数走势"), FileOut("r2", "日报.pdf")))
    assert [flat(call) for call in calls] == [
        ("日报", [], []),
        ("photo", "r1", "", "风险指数走势"),
        ("document", "r2", "日报.pdf", ""),
    ]


def test_a_description_too_long_for_a_caption_comes_after_as_text() -> None:
    calls = encode(message(ImageOut("r1", "长" * 1025)))
    assert [flat(call)[-1] if isinstance(call, FileCall) else call.text for call in calls] == [
        "",
        "长" * 1025,
    ]
    assert len(encode(message(ImageOut("r1", "长" * 1024)))) == 1


def test_a_picture_of_no_picture_type_goes_as_a_document() -> None:
    [call] = encode(message(ImageOut("r1", "图", "image/svg+xml")))
    assert flat(call)[0] == "document"


def test_handing_over_and_nothing_at_all_show_nothing() -> None:
    assert encode(message(HandOver("cards"))) == []
    assert encode(message(Text("  \n "))) == []


def test_a_long_text_is_split_and_the_buttons_are_under_the_last_piece() -> None:
    text = "\n\n".join(f"第{n}段。" + "利率以公告为准。" * 60 for n in range(20))
    calls = encode(message(Text(text), Buttons((Button("好", "ok"),))))
    assert len(calls) > 2
    texts = [call for call in calls if isinstance(call, TextCall)]
    assert all(utf16(call.text) <= 4096 for call in texts)
    assert [call.keyboard is not None for call in texts] == [False] * (len(texts) - 1) + [True]
    assert "".join("".join(call.text for call in texts).split()) == "".join(text.split())


def test_the_limit_is_counted_in_utf16_units() -> None:
    assert len(encode(message(Text("😀" * 2048)))) == 1
    assert len(encode(message(Text("😀" * 2049)))) == 2
    assert len(encode(message(Text("长" * 4096)))) == 1


# ── formatting ──


def test_a_cut_falls_before_a_formatted_stretch_that_fits_whole() -> None:
    rich = Rich("一二三四五 六七八九十", (Span("bold", 3, 9),))
    made = pieces(rich, 8)
    assert [piece.text for piece in made] == ["一二三", "四五 六七八九十"]
    assert made[1].spans == (Span("bold", 0, 6),)


def test_a_formatted_stretch_longer_than_a_message_goes_on_in_the_next() -> None:
    made = pieces(Rich("长" * 25, (Span("bold", 0, 25),)), 10)
    assert [(len(p.text), p.spans) for p in made] == [
        (10, (Span("bold", 0, 10),)),
        (10, (Span("bold", 0, 10),)),
        (5, (Span("bold", 0, 5),)),
    ]


TEXTS = st.text(st.sampled_from("a利率😀👍🏽 \n。,b"), max_size=80)


@hypothesis(max_examples=300, deadline=None)
@given(
    text=TEXTS,
    ends=st.lists(st.tuples(st.integers(0, 80), st.integers(1, 30)), max_size=3),
    limit=st.integers(4, 30),
)
def test_pieces_fit_lose_no_letter_and_keep_their_formatting_in_bounds(
    text: str, ends: list[tuple[int, int]], limit: int
) -> None:
    spans = tuple(Span("bold", a, min(a + n, len(text))) for a, n in ends if a < len(text))
    made = pieces(Rich(text, spans), limit)
    assert "".join("".join(p.text for p in made).split()) == "".join(text.split())
    for piece in made:
        assert check_text(piece.text, limit=limit) == piece.text
        check_entities(piece.text, [entity.to_dict() for entity in piece.entities()])


def test_offsets_count_a_character_beyond_the_basic_plane_as_two() -> None:
    rich = paragraphs(Rich("😀😀"), Rich(""), Rich("粗体", (Span("bold", 0, 2),)))
    assert rich.text == "😀😀\n\n粗体"
    assert rich.entities() == (MessageEntity("bold", offset=6, length=2),)


def test_a_cut_text_ends_with_an_ellipsis_and_fits() -> None:
    assert cut("你好", 4) == "你好"
    assert utf16(cut("😀" * 100, 21)) <= 21
    assert cut("长" * 100, 10).endswith("…")


def test_stretches_are_taken_out_by_utf16_offsets() -> None:
    assert utf16_slice("😀@bot 利率 @bot", [(2, 4), (10, 4)]) == "😀 利率 "
    assert utf16_slice("abc", [(-5, 2), (1, 99)]) == "a"


# ── buttons ──


def test_a_value_of_64_bytes_travels_and_a_longer_one_is_kept() -> None:
    fits, long = "k" * 64, "挂失" * 11
    assert callback_data(fits) == fits
    assert len(long.encode()) == 66
    assert len(callback_data(long).encode()) <= 64
    assert is_kept(callback_data(long))
    assert callback_data(long) != callback_data(long + "x")
    assert notes_needed(message(Card("卡", buttons=(Button("a", long), Button("b", fits))))) == {
        f"button:{callback_data(long)}": long
    }


@pytest.mark.parametrize("value", ["~short", "", "~" + "a" * 40])
def test_a_value_that_looks_like_a_hash_or_is_empty_is_kept_too(value: str) -> None:
    assert is_kept(callback_data(value))
    assert list(long_values([Button("x", value)]).values()) == [value]


@hypothesis(max_examples=200, deadline=None)
@given(labels=st.lists(st.text(max_size=90), min_size=1, max_size=120))
def test_any_labels_make_a_keyboard_that_telegram_takes(labels: list[str]) -> None:
    made = keyboard([Button(label, f"v{n}") for n, label in enumerate(labels)])
    assert made is not None
    check_keyboard(made.to_dict())


def test_short_buttons_share_a_row_and_long_ones_have_their_own() -> None:
    made = keyboard(
        [Button(label, label) for label in ("是", "否", "不知道", "我想先问一问贷款的利率", "好")]
    )
    assert made is not None
    rows = [[k.text for k in row] for row in made.inline_keyboard]
    assert rows == [["是", "否", "不知道"], ["我想先问一问贷款的利率"], ["好"]]
