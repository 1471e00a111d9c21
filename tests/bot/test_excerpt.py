"""The part of a passage that a citation shows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.rails.answer import cite
from bot.rails.excerpt import LONGEST, excerpt
from bot.types import Citation, Passage, Sources, decode, encode

FEES = (
    "本行人民币转账的收费分渠道计算。手机银行和网上银行转账免收手续费，实时到账。"
    "自助设备跨行转账每笔3元，同城异地一样。"
    * 6
    + "柜台跨行转账按金额分档：1万元以下每笔5元，\n1万元至10万元每笔10元，超过10万元的按0.1‰收取，最高50元。"
    "如遇系统维护，以短信通知的时间为准。" * 3
)


def test_without_a_mark_the_beginning_is_shown() -> None:
    found = excerpt(FEES)
    assert found.text == "".join(FEES.split())[: LONGEST - 1] + "…"
    assert found.mark is None


def test_an_answer_far_into_the_text_is_shown_with_what_leads_to_it() -> None:
    start = FEES.index("1万元以下每笔5元")
    found = excerpt(FEES, (start, start + 9))
    assert found.mark is not None
    opens, closes = found.mark
    assert found.text[opens:closes] == "1万元以下每笔5元"
    assert found.text.startswith("…")
    assert "柜台跨行转账按金额分档：" in found.text
    assert len(found.text) <= LONGEST


def test_it_begins_where_a_clause_begins() -> None:
    start = FEES.index("最高50元")
    found = excerpt(FEES, (start, start + 5), longest=60)
    line = " ".join(FEES.split())
    assert line[line.index(found.text[1:9]) - 1] in "。，： "


def test_a_short_passage_is_shown_whole_and_its_line_breaks_move_the_mark() -> None:
    found = excerpt("Fees:\n\n1. Domestic  transfers\n2. free of charge", (29, 47))
    assert found.text == "Fees: 1. Domestic transfers 2. free of charge"
    assert found.mark is not None
    assert found.text[slice(*found.mark)] == "2. free of charge"


@given(st.text(max_size=700), st.integers(0, 700), st.integers(0, 700), st.integers(10, 240))
def test_any_mark_is_found_again_in_what_is_shown(text: str, start: int, end: int, longest: int) -> None:
    found = excerpt(text, (start, end), longest)
    assert len(found.text) <= longest
    if found.mark is not None:
        said = " ".join(text[start:end].split())
        assert said.startswith(found.text[slice(*found.mark)])
        assert 0 <= found.mark[0] < found.mark[1] <= len(found.text)


def test_a_citation_carries_its_mark_and_old_ones_are_still_read() -> None:
    passage = Passage("fees", "zh", "收费", "转账免费。补卡每张15元。", "fees")
    citation = cite(passage, (5, 12))
    assert citation.mark == (5, 12)
    assert decode(encode(Sources((citation,))), Sources) == Sources((citation,))
    old = b'{"type":"sources","citations":[{"id":"fees","title":"t","excerpt":"e"}]}'
    assert decode(old, Sources).citations == (Citation("fees", "t", "e"),)
    assert b"mark" not in encode(cite(passage))


def test_an_address_is_shown_whole_or_not_at_all() -> None:
    text = "说明见https://www.lanwan.example/help?a=1;b=2，" + "请先登录。" * 8 + "费用每笔5元。"
    assert excerpt(text, longest=30).text == "说明见…"
    start = text.index("费用")
    for longest in range(20, 100):
        found = excerpt(text, (start, start + 6), longest).text
        assert ("https://www.lanwan.example/help?a=1;b=2" in found) == ("example" in found)
        assert len(found) <= longest
