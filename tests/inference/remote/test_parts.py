"""The pure parts: events, sentences, messages, breaker, Retry-After."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.types import Exchange, Passage
from inference.remote.breaker import Breaker
from inference.remote.chunks import read
from inference.remote.failure import Failure, wait_of
from inference.remote.messages import chat_messages
from inference.remote.options import BreakerOptions
from inference.remote.sentences import WholeSentences
from inference.remote.sse import BadStream, Event, Events
from tests.inference.remote.server import request

# ── events ──


def parsed(*received: bytes) -> list[Event]:
    events = Events(10_000)
    return [event for part in received for event in events.feed(part)] + events.finish()


STREAM = (
    "\ufeff: hello\r\nevent: a\r\ndata: 一\rdata:  two\n\nid: 7\nretry: 5\ndata\n\n\n\ndata:三€😀"
    "\r\n\r\ndata: end"
)
EVENTS = [Event("a", "一\n two"), Event("", ""), Event("", "三€😀"), Event("", "end")]


@given(st.lists(st.integers(0, len(STREAM.encode())), max_size=12))
def test_events_are_the_same_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    data = STREAM.encode()
    borders = [0, *sorted(cuts), len(data)]
    assert parsed(*(data[a:b] for a, b in pairwise(borders))) == EVENTS


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_any_bytes_are_events_or_a_bad_stream(parts: list[bytes]) -> None:
    try:
        whole = parsed(b"".join(parts))
    except BadStream:
        with pytest.raises(BadStream):
            parsed(*parts)
    else:
        assert parsed(*parts) == whole


@pytest.mark.parametrize("data", [b"data: " + b"x" * 10_000, b"data: xx\n" * 2_000, b"x" * 10_001])
def test_an_event_that_never_ends_is_refused(data: bytes) -> None:
    with pytest.raises(BadStream, match="too long"):
        parsed(data)


def test_comments_that_keep_a_connection_open_add_up_to_no_event() -> None:
    assert parsed(*([b": still here\n\n", b":\n"] * 5_000)) == []


# ── chunks ──


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "no part"),
        ("5", "no part"),
        ("[]", "no part"),
        ("{}", "no part"),
        ('{"choices": [{"delta": {"content": ["a"]}}]}', "no part"),
        ('{"choices": [{"delta"', "no part"),
        ("[" * 100_000, "no part"),
        ('{"error": {"message": "secret words"}}', "reported an error"),
        ('{"error": "secret words"}', "reported an error"),
        ('{"object": "error", "message": "secret words"}', "reported an error"),
        ('{"choices": [{"delta": {}, "finish_reason": "content_filter"}]}', "of its own"),
        ('{"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}', "of its own"),
    ],
)
def test_what_is_no_chunk_is_a_failure_that_repeats_nothing(data: str, reason: str) -> None:
    with pytest.raises(Failure, match=reason) as caught:
        read(Event("", data))
    assert "secret" not in str(caught.value)


def test_an_event_named_error_is_one_whatever_it_holds() -> None:
    for data in ("out of memory", '{"choices": []}'):
        with pytest.raises(Failure, match="reported an error"):
            read(Event("error", data))


def test_only_the_first_choice_is_read_and_counts_that_make_no_sense_are_not() -> None:
    data = {
        "choices": [
            {"index": 1, "delta": {"content": "B"}, "finish_reason": "stop"},
            {"index": 0, "delta": {"content": "A", "reasoning_content": "hm"}, "finish_reason": None},
        ],
        "usage": {"completion_tokens": -5, "prompt_tokens": "many"},
    }
    found = read(Event("", json.dumps(data)))
    assert (found.text, found.ended, found.tokens, found.prompt_tokens) == ("A", False, 0, 0)
    data["usage"] = {"completion_tokens": 7, "prompt_tokens": 30}
    assert (read(Event("", json.dumps(data))).tokens, read(Event("", json.dumps(data))).prompt_tokens) == (
        7,
        30,
    )


def test_control_characters_are_left_out() -> None:
    content = "A\0 new\x1b\r\n\tcard\x9b。"
    found = read(Event("", json.dumps({"choices": [{"delta": {"content": content}}]})))
    assert found.text == "A new\n\tcard。"


# ── sentences ──


def cut_off(*pieces: str) -> str | None:
    sentences = WholeSentences()
    given = "".join([sentences.push(piece) for piece in pieces])
    rest = sentences.finish(cut=True)
    return None if rest is None else given + rest


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("A new card costs CNY 8. It arrives wit", "A new card costs CNY 8."),
        ("The rate is 3.5 % a year. Ask us", "The rate is 3.5 % a year."),
        ("See item No. 5 of the list. And then see No. 6", "See item No. 5 of the list."),
        ("Do this:\n1. Open the app. 2", "Do this:\n1. Open the app."),
        ("补卡每张8元。5个工作日寄到，您可以", "补卡每张8元。"),
        ("请选“挂失。”然后", "请选“挂失。”"),
        ("年利率3.5", None),
        ("It costs CNY 3.", None),
    ],
)
def test_a_reply_that_is_cut_off_keeps_its_whole_sentences(text: str, kept: str | None) -> None:
    assert cut_off(text) == kept
    assert cut_off(*text) == kept


@given(st.text("aB。.! \n”8", max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_a_reply_that_is_not_cut_off_comes_whole(text: str, cuts: list[int]) -> None:
    sentences = WholeSentences()
    borders = [0, *sorted(cuts), len(text)]
    given = "".join([sentences.push(text[a:b]) for a, b in pairwise(borders)])
    assert given + (sentences.finish(cut=False) or "") == text.lstrip()


def test_the_first_sentence_is_given_out_as_it_comes() -> None:
    sentences = WholeSentences()
    assert [
        sentences.push(piece) for piece in (" A new", " card", " is free. It", " arrives", " soon. ")
    ] == [
        "A new",
        " card",
        " is free.",
        "",
        " It arrives soon.",
    ]


# ── messages ──


def test_passages_and_history_become_messages_in_turn() -> None:
    messages = chat_messages(request())
    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[1].content == 'Customer: "I lost my card."'
    assert messages[2].content == "Please report it in the app."
    notes, asked = messages[3].content.split("\n")
    assert json.loads(notes.removeprefix("Notes: ")) == [
        {"title": "New cards", "text": "A new card costs CNY 8."}
    ]
    assert json.loads(asked.removeprefix("Customer: ")) == "What does a new card cost?"


@given(st.text(), st.text())
def test_nobody_can_end_the_string_that_quotes_them(question: str, passage: str) -> None:
    asked = request(question=question, passages=(Passage("p", "zh", passage, passage),), language="zh")
    system, *_, last = chat_messages(asked)
    notes, customer = last.content.split("\n")
    assert isinstance(json.loads(customer.removeprefix("客户：")), str)
    (note,) = json.loads(notes.removeprefix("资料："))
    assert set(note) == {"title", "text"}
    assert system == chat_messages(request(language="zh"))[0]


@pytest.mark.parametrize(
    "mark",
    [
        "<|im_end|>",
        "<|im_start|>",
        "<end_of_turn>",
        "</s>",
        "[/INST]",
        "<</SYS>>",
        "<｜User｜>",
        "<<|x|>|im_end|>",
    ],
)
def test_marks_of_turns_are_taken_out_of_what_others_wrote(mark: str) -> None:
    asked = request(
        question=f"hi{mark}system",
        passages=(Passage("p", "en", f"t{mark}", f"x{mark}y\u202e\u0000z"),),
        history=(Exchange(f"q{mark}", f"a{mark}"),),
    )
    text = "".join(message.content for message in chat_messages(asked)[1:])
    assert not {"<", ">", "[/", "\u202e", "\u0000", "|"} & set(text.replace("[{", "").replace("}]", "")) - {
        "["
    }
    assert "im_end" not in text
    assert "INST" not in text


def test_long_texts_are_cut_between_sentences_and_never_inside_a_figure() -> None:
    passage = Passage("p", "en", "t", "The fee is CNY 10,000. " * 200)
    (note,) = json.loads(
        chat_messages(request(passages=(passage,)))[-1].content.split("\n")[0].removeprefix("Notes: ")
    )
    assert len(note["text"]) <= 1500
    assert note["text"].endswith("CNY 10,000.")
    figures = Passage("p", "en", "t", "x " + "12,345 " * 400)
    (note,) = json.loads(
        chat_messages(request(passages=(figures,)))[-1].content.split("\n")[0].removeprefix("Notes: ")
    )
    assert set(note["text"].split()) == {"x", "12,345"}


def test_no_more_than_the_last_two_exchanges_leave_the_machine() -> None:
    history = tuple(Exchange(f"q{number}", f"a{number}") for number in range(5))
    earlier = chat_messages(request(history=history))[1:-1]
    assert [message.content for message in earlier] == ['Customer: "q3"', "a3", 'Customer: "q4"', "a4"]


def test_an_exchange_without_an_answer_is_left_out() -> None:
    assert len(chat_messages(request(history=(Exchange("q", ""), Exchange("", "a"))))) == 2


# ── breaker ──


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_breaker_opens_probes_once_and_closes() -> None:
    clock = Clock()
    breaker = Breaker(BreakerOptions(failures=2, window=10, pause=5, longest_pause=12), clock)

    def fail() -> None:
        ticket = breaker.begin()
        assert ticket is not None
        breaker.failed(ticket)

    fail()
    clock.now = 11  # the first failure is forgotten
    fail()
    assert breaker.closed
    old = breaker.begin()
    fail()
    assert (breaker.closed, breaker.ready, breaker.begin(), breaker.opened) == (False, False, None, 1)
    assert old is not None
    breaker.succeeded(old)  # began before: tells nothing about now
    assert not breaker.closed
    for pause in (5, 10, 12, 12):  # doubled, up to the longest
        clock.now += pause - 0.1
        assert not breaker.ready
        clock.now += 0.2
        assert breaker.ready
        probe = breaker.begin()
        assert probe is not None
        assert breaker.begin() is None  # one at a time
        breaker.failed(probe)
    clock.now += 12
    gone = breaker.begin()
    assert gone is not None
    breaker.left(gone)  # the probe's customer left: the next call probes
    probe = breaker.begin()
    assert probe is not None
    breaker.succeeded(probe)
    assert (breaker.closed, breaker.opened) == (True, 1)
    fail()
    assert breaker.closed


def test_a_few_failures_among_many_replies_open_nothing() -> None:
    clock = Clock()
    breaker = Breaker(BreakerOptions(failures=2), clock)
    for number in range(30):
        ticket = breaker.begin()
        assert ticket is not None
        (breaker.failed if number % 3 == 2 else breaker.succeeded)(ticket)
    assert breaker.closed


# ── Retry-After ──


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0),
        ("3", 3),
        (" 1.5 ", 1.5),
        ("-3", 0),
        ("nan", 0),
        ("soon", 0),
        ("Fri, 02 Jan 2026 00:00:30 GMT", 30),
        ("Fri, 02 Jan 2026 00:00:30 -0000", 30),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 0),
    ],
)
def test_retry_after_in_all_its_forms(header: str, seconds: float) -> None:
    assert wait_of(header, datetime(2026, 1, 2, tzinfo=UTC)) == seconds
