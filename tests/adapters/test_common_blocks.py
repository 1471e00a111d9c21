"""From messages to blocks: what a platform lacks becomes text, in both languages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.base import Capabilities
from adapters.common.blocks import Block, blocks, card_text, footnote, numbered
from bot.types import (
    Button,
    Buttons,
    Card,
    Citation,
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
from tests.make import conversation

NOTHING = Capabilities()
EVERYTHING = Capabilities(buttons=True, cards=True, images=True, files=True)
YES, NO = Button("是", "yes"), Button("否", "no")
BRANCH = Card(
    "人民路支行", (("地址", "人民路1号"), ("Hours", "9–17")), "周末照常营业", (YES, NO), "https://b.example"
)
FEES, LIMITS = Citation("fees", "收费标准"), Citation("limits", "转账限额")
PHOTO, FORM = ImageOut("r1", "网点照片"), FileOut("r2", "申请表.pdf")


def shown(*parts: OutPart, capabilities: Capabilities = NOTHING, language: Language = "zh") -> list[Block]:
    message = OutboundMessage(conversation(), parts, "k", "answer", language=language)
    return blocks(message, capabilities)


# ── texts ──


def test_neighbouring_texts_share_a_block_as_paragraphs() -> None:
    assert shown(Text("一"), Text("二")) == [Block("一\n\n二")]


def test_sources_and_buttons_join_the_text_they_follow() -> None:
    parts = Text("答案"), Sources((FEES,)), Buttons((YES, NO), "还想问："), Sources((LIMITS,))
    assert shown(*parts, capabilities=EVERYTHING) == [
        Block("答案", sources=(FEES, LIMITS), prompt="还想问：", buttons=(YES, NO))
    ]


def test_a_message_keeps_its_order_around_what_stands_alone() -> None:
    parts = Text("一"), PHOTO, Text("二"), FORM, BRANCH, Text("三"), Text("四")
    assert shown(*parts, capabilities=EVERYTHING) == [
        Block("一"),
        Block(attachment=PHOTO),
        Block("二"),
        Block(attachment=FORM),
        Block(card=BRANCH),
        Block("三\n\n四"),
    ]


EMPTY: list[OutPart] = [Text(""), Text(" \n\t"), Text("\u3000"), Sources(()), Buttons(()), Buttons((), " ")]


@pytest.mark.parametrize("capabilities", [NOTHING, EVERYTHING])
def test_empty_parts_show_nothing(capabilities: Capabilities) -> None:
    assert shown(capabilities=capabilities) == []
    assert shown(*EMPTY, capabilities=capabilities) == []
    for part in EMPTY:
        assert shown(part, Text("好"), part, capabilities=capabilities) == [Block("好")]
        assert shown(part, BRANCH, part, capabilities=EVERYTHING) == [Block(card=BRANCH)]


def test_a_text_keeps_its_own_white_space() -> None:
    assert shown(Text("  - 一\n  - 二\n")) == [Block("  - 一\n  - 二\n")]


# ── votes ──


def test_votes_stand_under_the_answer_where_the_platform_shows_them_and_nowhere_else() -> None:
    votes = Votes("vote:up:1", "vote:down:1")
    able = replace(EVERYTHING, votes=True)
    answer = (Text("答案"), Sources((FEES,)), Buttons((YES,)), votes)
    assert shown(*answer, capabilities=able) == [Block("答案", sources=(FEES,), buttons=(YES,), votes=votes)]
    assert shown(*answer, capabilities=EVERYTHING) == [Block("答案", sources=(FEES,), buttons=(YES,))]
    assert shown(Text("答案"), votes) == [Block("答案")]


# ── buttons ──


def test_buttons_stay_buttons_where_there_are_any() -> None:
    capable = Capabilities(buttons=True)
    assert shown(Buttons((YES, NO), "要吗？"), capabilities=capable) == [
        Block(prompt="要吗？", buttons=(YES, NO))
    ]
    assert shown(Buttons((YES, NO)), capabilities=capable) == [Block(buttons=(YES, NO))]


def test_without_buttons_choices_are_numbered_under_their_prompt() -> None:
    assert shown(Text("答案"), Buttons((YES, NO), "要吗？")) == [Block("答案", prompt="要吗？\n1. 是\n2. 否")]
    assert shown(Buttons((YES, NO))) == [Block(prompt="1. 是\n2. 否")]


def test_a_prompt_without_choices_is_text() -> None:
    for capabilities in (NOTHING, EVERYTHING):
        assert shown(Buttons((), "请直接提问"), capabilities=capabilities) == [Block("请直接提问")]


def test_the_numbering_runs_through_the_message() -> None:
    more = Button("更多", "more")
    whole = shown(Buttons((YES, NO), "一"), BRANCH, PHOTO, Buttons((more,), "三"), capabilities=NOTHING)
    lines = [line for block in whole for line in block.plain("zh").splitlines()]
    numbers = [line for line in lines if line[:1].isdigit()]
    assert numbers == ["1. 是", "2. 否", "3. 是", "4. 否", "5. 更多"]


def test_numbers_can_start_anywhere() -> None:
    assert numbered([YES, NO], first=9) == "9. 是\n10. 否"
    assert numbered([]) == ""


# ── cards ──


def test_a_card_becomes_its_lines() -> None:
    assert card_text(BRANCH) == "人民路支行\n地址：人民路1号\nHours: 9–17\n周末照常营业\nhttps://b.example"
    assert card_text(Card("只有标题")) == "只有标题"


def test_without_cards_a_card_keeps_its_buttons() -> None:
    assert shown(BRANCH, capabilities=Capabilities(buttons=True)) == [
        Block(card_text(BRANCH), buttons=(YES, NO))
    ]
    assert shown(BRANCH) == [Block(card_text(BRANCH) + "\n1. 是\n2. 否")]


def test_cards_without_buttons_have_their_choices_numbered_after_them() -> None:
    more = Buttons((Button("更多", "more"),))
    assert shown(BRANCH, more, BRANCH, capabilities=Capabilities(cards=True)) == [
        Block(card=replace_buttons(BRANCH)),
        Block(prompt="1. 是\n2. 否\n\n3. 更多"),
        Block(card=replace_buttons(BRANCH)),
        Block(prompt="4. 是\n5. 否"),
    ]
    plain = replace_buttons(BRANCH)
    assert shown(plain, capabilities=Capabilities(cards=True)) == [Block(card=plain)]


def replace_buttons(card: Card) -> Card:
    return Card(card.title, card.fields, card.text, (), card.uri)


# ── pictures, files, hand-overs ──


@pytest.mark.parametrize(
    ("part", "language", "text"),
    [
        (PHOTO, "zh", "[图片] 网点照片"),
        (ImageOut("r", "Our branch"), "en", "[Picture] Our branch"),
        (ImageOut("r", ""), "zh", "[图片]"),
        (FORM, "zh", "[文件] 申请表.pdf"),
        (FileOut("r", "form.pdf"), "en", "[File] form.pdf"),
        (FileOut("r", "{name}.pdf"), "en", "[File] {name}.pdf"),
    ],
)
def test_pictures_and_files_are_described_where_they_cannot_be_shown(
    part: OutPart, language: Language, text: str
) -> None:
    assert shown(Text("看："), part, language=language) == [Block(f"看：\n\n{text}")]


@pytest.mark.parametrize(
    ("capabilities", "part"),
    [
        (replace(EVERYTHING, images=False), PHOTO),
        (replace(EVERYTHING, files=False), FORM),
        (replace(EVERYTHING, cards=False), BRANCH),
    ],
)
def test_each_ability_counts_by_itself(capabilities: Capabilities, part: OutPart) -> None:
    (block,) = shown(part, capabilities=capabilities)
    assert block.text
    assert block.card is None
    assert block.attachment is None


@pytest.mark.parametrize("capabilities", [NOTHING, EVERYTHING])
def test_a_hand_over_stands_alone_after_what_is_shown_before_it(capabilities: Capabilities) -> None:
    assert shown(Text("请稍候"), HandOver("cards"), Text("再见"), capabilities=capabilities) == [
        Block("请稍候"),
        Block(hand_over=HandOver("cards")),
        Block("再见"),
    ]
    assert shown(HandOver(), capabilities=capabilities) == [Block(hand_over=HandOver())]


# ── sources ──


def test_the_footnote_names_the_sources() -> None:
    assert footnote([FEES, LIMITS], "zh") == "来源：《收费标准》《转账限额》"
    assert footnote([Citation("a", "Fees"), Citation("b", "Limits")], "en") == "Source: Fees; Limits"
    assert footnote([], "zh") == footnote([], "en") == ""


def test_a_title_is_named_once() -> None:
    sections = [Citation("a#1", "Fees"), Citation("b", "Limits"), Citation("a#2", "Fees")]
    assert footnote(sections, "en") == "Source: Fees; Limits"


def test_a_plain_text_ends_in_its_footnote() -> None:
    assert Block("答案", sources=(FEES,)).plain("zh") == "答案\n\n来源：《收费标准》"
    assert Block("Answer").plain("en") == "Answer"
    assert Block(sources=(FEES,)).plain("zh") == "来源：《收费标准》"
    assert Block(card=BRANCH).plain("zh") == ""


# ── whatever comes ──

labels = st.text(min_size=1, max_size=5).filter(str.strip)
button = st.builds(Button, labels, labels)
some_buttons = st.lists(button, max_size=3).map(tuple)
part: st.SearchStrategy[OutPart] = st.one_of(
    st.builds(Text, st.text(max_size=8)),
    st.builds(Buttons, some_buttons, st.text(max_size=8)),
    st.builds(Card, labels, st.lists(st.tuples(labels, labels), max_size=2).map(tuple), labels, some_buttons),
    st.builds(ImageOut, labels, labels),
    st.builds(FileOut, labels, labels),
    st.builds(Sources, st.lists(st.builds(Citation, labels, labels), max_size=2).map(tuple)),
    st.builds(HandOver, labels),
)
abilities = st.builds(
    Capabilities, buttons=st.booleans(), cards=st.booleans(), images=st.booleans(), files=st.booleans()
)


@given(st.lists(part, max_size=8), abilities, st.sampled_from(["zh", "en"]))
@settings(max_examples=250, deadline=None)
def test_nothing_is_lost_and_nothing_shown_that_a_platform_lacks(
    parts: list[OutPart], able: Capabilities, language: Language
) -> None:
    made = shown(*parts, capabilities=able, language=language)
    for block in made:
        alone = [block.card, block.attachment, block.hand_over]
        assert sum(value is not None for value in alone) == (0 if said(block) else 1)
        assert able.buttons or not (block.buttons or (block.card and block.card.buttons))
        assert able.cards or block.card is None
        assert able.images or not isinstance(block.attachment, ImageOut)
        assert able.files or not isinstance(block.attachment, FileOut)
    everything = "\n".join(
        f"{block.text}\n{block.prompt}\n{card_text(block.card) if block.card else ''}" for block in made
    )
    offered = [b for block in made for b in (block.card or block).buttons]
    expected: list[Button] = []
    for one in parts:
        if isinstance(one, Text):
            assert one.text.strip() == "" or one.text in everything
        elif isinstance(one, Buttons | Card):
            expected += one.choices if isinstance(one, Buttons) else one.buttons
    if able.buttons:
        assert offered == expected
    else:
        for number, wanted in enumerate(expected, 1):
            assert f"{number}. {wanted.label}" in everything
    handed = [block.hand_over for block in made if block.hand_over]
    assert handed == [one for one in parts if isinstance(one, HandOver)]
    cited = [source for block in made for source in block.sources]
    assert cited == [source for one in parts if isinstance(one, Sources) for source in one.citations]


def said(block: Block) -> Any:
    return block.text or block.sources or block.prompt or block.buttons
