"""Long texts in pieces: nothing lost, nothing too long, cut where a reader would pause."""

from __future__ import annotations

import re
import time
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.base import TextUnit
from adapters.common.split import measure, split

UNITS: tuple[TextUnit, ...] = get_args(TextUnit)
units = st.sampled_from(UNITS)

# Everything a text may hold: lone surrogates, controls, all planes; and what the cutting looks at, often.
TRICKY = " \t\n\r\u3000\u00a0.,;:!?。，；：！？…、”’）)\"'1/a好\u0301\u200d\ufe0f🇨🇳👍🏽\ud83d\ude00"
anything = st.text(st.characters() | st.sampled_from(TRICKY), max_size=200)

# What a reader sees as one character; each fits into 40 bytes.
CLUSTERS = [
    "好",
    "a",
    "é",
    "e\u0301",
    "n\u0303\u0323\u0331",
    "q\u20dd",
    "👍🏽",
    "❤️",
    "1️⃣",
    "👨‍👩‍👧‍👦",
    "👩🏽‍❤️‍💋‍👨🏿",
    "🇨🇳",
    "🇭🇰",
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "กี่",
    "कि",
]


def visible(text: str) -> str:
    return "".join(text.split())


@given(anything, st.integers(1, 60), units)
@example("\ud83d" * 10, 4, "utf8")
@example("👍" * 3, 1, "utf16")
@example("a" + "\u0301" * 50, 7, "characters")
@example("🇨🇳" * 20, 7, "utf16")
@settings(max_examples=300, deadline=None)
def test_pieces_fit_and_lose_nothing_but_white_space_where_they_were_cut(
    text: str, limit: int, unit: TextUnit
) -> None:
    pieces = split(text, limit, unit)
    at = 0
    for number, piece in enumerate(pieces):
        assert piece
        assert piece == piece.strip()
        assert measure(piece, unit) <= limit or len(piece) == 1
        found = text.find(piece, at)
        assert text[at:found].strip() == "", f"lost before piece {number}"
        at = found + len(piece)
    assert text[at:].strip() == ""


@given(anything, units)
@settings(deadline=None)
def test_a_text_that_fits_stays_whole(text: str, unit: TextUnit) -> None:
    whole = [text.strip()] if text.strip() else []
    assert split(text, max(1, measure(text, unit)), unit) == whole


@given(st.lists(st.sampled_from(CLUSTERS), min_size=1, max_size=60), st.integers(11, 50), units)
@settings(max_examples=250, deadline=None)
def test_what_a_reader_sees_as_one_character_is_never_broken_when_there_is_room(
    clusters: list[str], limit: int, unit: TextUnit
) -> None:
    limit = max(limit, *(measure(cluster, unit) for cluster in clusters))
    borders, at = {0}, 0
    for cluster in clusters:
        at += len(cluster)
        borders.add(at)
    cut = 0
    for piece in split("".join(clusters), limit, unit):
        cut += len(piece)
        assert cut in borders, f"cut inside a character, after {piece!r}"


@pytest.mark.parametrize("text", ["。\ufe00好", "！\u0301好", "，\ufe00好"])
def test_a_mark_on_punctuation_stays_with_it(text: str) -> None:
    for limit in range(2, 8):
        pieces = split("好好" + text + "好好好好", limit)
        assert not any(piece[0] in "\ufe00\u0301" for piece in pieces), limit


@pytest.mark.parametrize("unit", UNITS)
def test_a_sequence_longer_than_the_limit_is_broken_rather_than_sent_too_long(unit: TextUnit) -> None:
    family = "👨‍👩‍👧‍👦"
    pieces = split(family, 5, unit)
    assert "".join(pieces) == family
    assert all(measure(piece, unit) <= 5 for piece in pieces)


@pytest.mark.parametrize("limit", [-5, 0, 1])
@pytest.mark.parametrize("unit", UNITS)
def test_the_smallest_limits_give_single_characters(limit: int, unit: TextUnit) -> None:
    assert split("好 a👍", limit, unit) == ["好", "a", "👍"]


@pytest.mark.parametrize("text", ["", " ", "\n\u3000\t\r\n", "\u00a0"])
def test_a_text_without_anything_visible_gives_no_piece(text: str) -> None:
    assert split(text, 5) == []


def test_lengths_are_counted_as_each_platform_counts_them() -> None:
    text = "a é好👍\ud83d"
    assert measure(text, "characters") == 6
    assert measure(text, "utf16") == 7
    assert measure(text, "utf8") == 1 + 1 + 2 + 3 + 4 + 3
    assert measure(text[:-1], "utf16") == len(text[:-1].encode("utf-16-le")) // 2


@pytest.mark.parametrize(
    ("text", "first"),
    [
        # paragraphs before lines before sentences before clauses before words
        ("第一段第一句。\n第一段第二行。\n\n第二段，开始。再一句。", "第一段第一句。\n第一段第二行。"),
        ("The first line.\nThe second one. And more of it here.", "The first line."),
        ("您好，请带身份证。然后到柜台，取号排队等候办理", "您好，请带身份证。"),
        ("Bring your identity card. Then take a number, and wait.", "Bring your identity card."),
        ("请带上您的身份证原件，然后到柜台取号排队等候办理", "请带上您的身份证原件，"),
        ("Bring the original card, then take a number and wait here", "Bring the original card,"),
        ("Bring your original identity card to any of our branches", "Bring your original identity"),
        # all marks
        ("真的可以这样办理吗？我们马上就替您查一下这件事情", "真的可以这样办理吗？"),
        ("太好了这件事办成了！！我们马上就替您查一下这件事情", "太好了这件事办成了！！"),
        ("请稍候，我正在查询……我们马上就替您查一下这件事情", "请稍候，我正在查询……"),
        ("Is it really possible? We will look into it at once now", "Is it really possible?"),
        # a quotation's end belongs to its sentence
        ("他说：“我要办一张卡。”我们马上就替您查一下这件事情", "他说：“我要办一张卡。”"),
        ("（办理时请带上身份证。）我们马上就替您查一下这件事情", "（办理时请带上身份证。）"),
        ('She said "I need a card." Then she left the branch again', 'She said "I need a card."'),
        ("(Bring the identity card!) Then take a number, and wait", "(Bring the identity card!)"),
        # half-width marks in Chinese
        ("您可以在手机银行办理!我们马上就替您查一下这件事情", "您可以在手机银行办理!"),
        ("您可以在手机银行办理,我们马上就替您查一下这件事情", "您可以在手机银行办理,"),
    ],
)
def test_a_cut_falls_where_a_reader_would_pause(text: str, first: str) -> None:
    assert split(text, 16 if re.search("[一-龥]", text) else 31)[0] == first


@pytest.mark.parametrize("text", ["一句话说完了。", "That is all of it."])
def test_a_sentence_that_just_fits_is_not_cut_back(text: str) -> None:
    assert split(text + " " + "Then one more of them", len(text))[0] == text
    assert split("Yes. " + text + "\n\n" + text * 3, len(text) + 5)[0] == "Yes. " + text


def test_a_closing_quote_just_after_the_limit_does_not_start_a_piece() -> None:
    text = "他刚才走进来说道，您好。“我要办卡。”然后就走了"
    limit = text.index("。”") + 1
    assert split(text, limit)[1].startswith("“我要办卡。”")


ATOMS = [
    "3.45",
    "0.05%",
    "1,000,000.00",
    "9:30",
    "v2.10.3",
    "https://bank.example.com/a/b?x=1;y=2&z=3,4#top!?k",
    "service@bank.example.com",
    "12:30:05",
]
FILLERS = ["年利率为", "办理时间是", "，", "。", "请查看", " the rate is ", " see ", ", ", ". ", "；"]


@given(
    st.lists(st.tuples(st.sampled_from(FILLERS), st.sampled_from(ATOMS)), min_size=1, max_size=12),
    st.integers(60, 120),
)
@settings(max_examples=250, deadline=None)
def test_numbers_times_and_addresses_are_never_cut_when_they_fit(
    parts: list[tuple[str, str]], limit: int
) -> None:
    text = "开始" + "".join(filler + atom for filler, atom in parts) + "结束"
    pieces = split(text, limit)
    for atom in ATOMS:
        assert sum(piece.count(atom) for piece in pieces) == text.count(atom), pieces


def test_an_amount_without_any_pause_before_it_stays_whole() -> None:
    text = "这个产品目前的年化收益率大约是3.45%左右而且每天都在变化"
    for limit in range(8, len(text)):
        assert any("3.45%" in piece for piece in split(text, limit)), limit


def test_a_link_moves_to_the_next_piece_rather_than_break() -> None:
    link = "https://bank.example.com/forms/application.html"
    assert split(f"Fill in {link} today", len(link) + 2) == ["Fill in", link, "today"]


def test_the_number_of_a_list_item_stays_with_its_text() -> None:
    text = "Do this:\n1. Open the app and sign in\n2. Choose Cards and then Report lost"
    for limit in range(30, len(text)):
        for piece in split(text, limit):
            assert not re.search(r"(^|\n)\d\.$", piece), (limit, piece)


@given(st.text(st.sampled_from("好办卡，。"), min_size=30, max_size=120))
@settings(deadline=None)
def test_no_piece_starts_with_a_stop(text: str) -> None:
    text = re.sub("[，。]+", "。", text).strip("。")
    assert not any(piece[0] == "。" for piece in split(text, 10))


ORDINARY = "澜湾银行提醒您，请勿向陌生人转账。年利率3.45%，见 https://a.example/x?y=1。"


def seconds_for(pattern: str, length: int, limit: int, unit: TextUnit) -> float:
    text = (pattern * (length // len(pattern) + 1))[:length]
    best = float("inf")
    for _ in range(1 if length > 500_000 else 3):
        started = time.process_time()
        pieces = split(text, limit, unit)
        best = min(best, time.process_time() - started)
        assert visible("".join(pieces)) == visible(text)
    return best


@pytest.mark.parametrize(
    "unit_of_text",
    [
        "您好，请问。Hello there, and 3.45! ",
        "好",
        "a",
        ".",
        "\n a",
        "🇨🇳",
        "e\u0301",
        "👨\u200d",
        "x" + " " * 400,
        "e" + "\u0301" * 300,
    ],
)
def test_the_time_grows_with_the_length_and_no_faster(unit_of_text: str) -> None:
    ratio = seconds_for(unit_of_text, 160_000, 64, "utf8") / seconds_for(unit_of_text, 20_000, 64, "utf8")
    assert ratio < 20, f"eight times the text took {ratio:.1f} times as long"


@pytest.mark.parametrize("unit", UNITS)
def test_a_megabyte_takes_a_moment_even_in_small_pieces(unit: TextUnit) -> None:
    whole = seconds_for(ORDINARY, 1_000_000, 40, unit)
    assert whole < 8
    assert whole / seconds_for(ORDINARY, 125_000, 40, unit) < 16, "eight times the text"
