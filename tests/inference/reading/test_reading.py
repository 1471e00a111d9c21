"""Where in a text the answer to a question stands."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.guard.clauses import clauses
from inference.reading import SpanReader
from inference.reading.features import DENSE, LEXICAL, Question, lexical_features
from inference.reading.kinds import wanted
from inference.reading.passage import analyse
from inference.reading.pieces import cut, sentence_spans
from inference.reading.runs import shortest_run
from inference.reading.support import support
from inference.reading.weights import load_weights
from inference.reading.windows import LONGEST, windows
from inference.retrieval.embedding import CachedEncoder, Role, Vectors
from inference.retrieval.text import Analyser

ANALYSER = Analyser()
BOX = (
    "保管箱分小、中、大三种。小箱年租金380元，中箱年租金620元，大箱年租金1,150元。"
    "租箱须本人带身份证到城西支行办理，押金2,000元，退箱时全额退还。"
    "开箱时间为工作日9:00至16:30。钥匙遗失的，更换锁芯收260元，5个工作日内完成。"
)
PARCEL = (
    "Gold bars are delivered by courier. Delivery within the country costs EUR 35, abroad it is not offered. "
    "Parcels arrive within 6 working days. If you lose the receipt, call the hotline to have it printed. "
    "Bars can be collected at the Hafen branch with your passport."
)


@pytest.fixture(scope="module")
def reader() -> SpanReader:
    return SpanReader(ANALYSER)


def found(reader: SpanReader, question: str, text: str, earlier: str = "") -> str:
    span = reader.find_span(question, text, earlier=earlier)
    assert span is not None
    assert 0 < span.score <= 1
    return text[span.start : span.end]


@pytest.mark.parametrize(
    ("question", "text", "answer"),
    [
        ("中箱一年租金多少钱", BOX, "620元"),
        ("押金多少", BOX, "押金2,000元"),
        ("几点可以开箱", BOX, "9:00"),
        ("钥匙丢了换锁要多少钱", BOX, "260元"),
        ("how much is delivery within the country", PARCEL, "EUR 35"),
        ("when will the parcel arrive", PARCEL, "6 working days"),
        ("where can I collect the bars", PARCEL, "Hafen branch"),
    ],
)
def test_the_clause_that_answers_is_found(reader: SpanReader, question: str, text: str, answer: str) -> None:
    assert answer in found(reader, question, text)


def test_it_is_found_in_a_long_document_wherever_it_stands(reader: SpanReader) -> None:
    filler = "".join(
        f"第{n}号柜台受理对公业务，办理前请先在大厅取号并填写第{n}号单据。" for n in range(1, 120)
    )
    for document in (filler + BOX, BOX + filler, filler + BOX + filler):
        assert len(analyse(document, ANALYSER).windows) > 5
        assert "620元" in found(reader, "中号保管箱的年租金是多少", document)


def test_of_equals_the_earlier_one_is_taken(reader: SpanReader) -> None:
    twice = f"{BOX}\n{BOX}"
    again = reader.find_span("押金多少", twice)
    assert again is not None
    assert again.start < len(BOX)


def test_places_are_code_points_of_the_text_itself(reader: SpanReader) -> None:
    text = "🏦🏦 您好！\n" + BOX
    span = reader.find_span("押金多少", text)
    assert span is not None
    assert text[span.start : span.end] == "押金2,000元"


def test_nothing_is_found_where_there_are_no_words(reader: SpanReader) -> None:
    assert reader.find_span("押金多少", "") is None
    assert reader.find_span("  ", BOX) is None
    assert reader.mark("押金多少", " \n") is None


def test_a_mark_is_a_clause_or_more_of_its_sentence(reader: SpanReader) -> None:
    mark = reader.mark("更换锁芯收多少钱", BOX)
    assert mark is not None
    marked = BOX[slice(*mark)]
    assert "260元" in marked
    assert "。" not in marked


def test_a_question_about_something_else_marks_nothing(reader: SpanReader) -> None:
    assert reader.mark("嗯", BOX) is None


def test_a_passage_of_one_clause_is_not_marked_whatever_was_asked(reader: SpanReader) -> None:
    assert reader.mark("今天天气怎么样", "转账免费") is None
    assert reader.mark("转账收费吗", "转账免费") is None


def test_a_written_reply_marks_what_it_stands_on(reader: SpanReader) -> None:
    mark = reader.mark("丢了钥匙怎么办", BOX, reply="换锁芯收260元。")
    assert mark is not None
    assert BOX[slice(*mark)] == "更换锁芯收260元"
    assert reader.mark("丢了钥匙怎么办", BOX, reply="请您放心。") is None


def test_shared_figures_say_more_than_shared_words() -> None:
    passage = analyse(BOX, ANALYSER)
    stands = support("大箱要1150元一年。", passage, ANALYSER)
    assert stands is not None
    piece = passage.clauses[stands.clause].piece
    assert BOX[piece.start : piece.end] == "大箱年租金1,150元"


class Small:
    """An encoder of four letters' counts that counts its work."""

    name = "small"

    def __init__(self) -> None:
        self.worked = 0

    def encode(self, texts: list[str], role: Role) -> Vectors:
        self.worked += len(texts)
        counts = np.array([[1.0 + text.count(letter) for letter in "元工费e"] for text in texts], np.float32)
        unit: Vectors = counts / np.linalg.norm(counts, axis=1, keepdims=True)
        return unit


def test_with_an_encoder_each_clause_is_embedded_once() -> None:
    small = Small()
    reader = SpanReader(ANALYSER, CachedEncoder(small))
    assert reader.find_span("押金多少", BOX) is not None
    first = small.worked
    assert reader.find_span("押金多少", BOX) is not None
    assert small.worked == first + 1  # the question, which isn't kept


# ── its parts ──


def test_pieces_are_the_guards_clauses_with_their_places() -> None:
    for text in (BOX, PARCEL, "手续费：每笔5元；超过1,000.50元的，另议。 Free - but only if you ask."):
        assert [text[p.start : p.end] for p in cut(text)] == [clause.strip() for clause in clauses(text)]


def test_a_bullet_belongs_to_no_piece() -> None:
    text = "- Fee: free\n- 90 days\n•  只限本人"
    assert [text[p.start : p.end] for p in cut(text)] == ["Fee", "free", "90 days", "只限本人"]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("请打开https://a.example/?id=1,2;b!c，再登录。", ["请打开https://a.example/?id=1,2;b!c", "再登录"]),
        ("See https://a.example/x. Then sign.", ["See https://a.example/x", "Then sign"]),
        ("**免费，不限次数**，实时到账", ["**免费，不限次数**", "实时到账"]),
    ],
)
def test_no_address_and_no_bold_words_are_cut(text: str, pieces: list[str]) -> None:
    assert [text[piece.start : piece.end] for piece in cut(text)] == pieces
    assert [piece.sentence for piece in cut("看https://a.example/?a=1。好")] == [0, 1]


@given(st.text(alphabet="元a1。，.,:： \n、不but", max_size=200))
def test_pieces_lie_in_their_sentences_and_in_order(text: str) -> None:
    spans, end = sentence_spans(text), 0
    for piece in cut(text):
        opens, closes = spans[piece.sentence]
        assert opens <= piece.start < piece.end <= closes
        assert piece.start >= end
        end = piece.end
        assert text[piece.start : piece.end].strip() == text[piece.start : piece.end]


@given(st.lists(st.integers(1, 500), max_size=40))
def test_windows_cover_every_sentence_and_go_on(sizes: list[int]) -> None:
    text = "字" * sum(sizes)
    ends = np.cumsum(sizes).tolist()
    runs = windows(text, [(end - size, end) for size, end in zip(sizes, ends, strict=True)])
    assert {number for run in runs for number in run} == set(range(len(sizes)))
    assert all(one[-1] < other[-1] for one, other in pairwise(runs))
    assert all(len(run) == 1 or sum(sizes[n] for n in run) <= LONGEST for run in runs)


def test_windows_overlap_where_sentences_are_short() -> None:
    runs = windows("字" * 1000, [(at, at + 20) for at in range(0, 1000, 20)])
    assert all(other[0] <= one[-1] for one, other in pairwise(runs))


def test_the_shortest_run_that_is_sure_enough_stays_in_one_sentence() -> None:
    shares = np.array([0.1, 0.4, 0.3, 0.2])
    assert shortest_run(shares, [0, 0, 0, 0], 0.4) == (1, 1)
    assert shortest_run(shares, [0, 0, 0, 0], 0.6) == (1, 2)
    assert shortest_run(shares, [0, 0, 1, 1], 0.6) is None
    assert shortest_run(np.array([0.5, 0.5]), [0, 1], 0.5) == (0, 0)


def test_what_a_question_wants() -> None:
    assert "money" in wanted("补卡要多少钱")
    assert "time" in wanted("how long does it take")
    assert "place" in wanted("在哪里办")
    assert "yes" in wanted("can i pay it back early")
    assert wanted("金卡") == {"other"}


def test_features_have_the_promised_shape_and_weights_name_no_other() -> None:
    features = lexical_features(Question.of("押金多少", "", ANALYSER), passage := analyse(BOX, ANALYSER))
    assert features.shape == (len(passage.clauses), len(LEXICAL))
    file = load_weights()
    assert set(file.lexical.values) <= set(LEXICAL)
    assert set(file.dense.values) <= {*LEXICAL, *DENSE}
    assert 0 < file.lexical.clear < 1


@settings(max_examples=60, deadline=None)
@given(
    st.text(alphabet="中箱元1，。a \n😀\u0301Ａ", max_size=120),
    st.text(alphabet="多少钱a 1？\u200b", max_size=30),
)
def test_no_text_is_too_strange(text: str, question: str) -> None:
    reader = SpanReader(ANALYSER)
    span = reader.find_span(question, text)
    if span is not None:
        assert 0 <= span.start < span.end <= len(text)
    mark = reader.mark(question, text, earlier=text, reply=question)
    assert mark is None or 0 <= mark[0] < mark[1] <= len(text)
