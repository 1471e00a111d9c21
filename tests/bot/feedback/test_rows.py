"""From approved feedback to training rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bot.feedback.dialogues import Ground, as_dialogues
from bot.feedback.item import Item
from bot.feedback.rows import Exchange, as_messages, exchanges, runs
from bot.rails.excerpt import excerpt
from bot.types import Language, Passage

FEE = Passage("card.fee", "zh", "补卡收费吗", "补卡工本费每张8元。")
LOSS = Passage("card.loss", "zh", "卡丢了怎么办", "请马上挂失，挂失免费。")
KNOWN = {passage.id: passage for passage in (FEE, LOSS)}
ASKED = Item(
    id=1,
    kind="vote",
    verdict="up",
    status="approved",
    whose="fake|test|wang|",
    at=10.0,
    conversation="fake|test|wang|",
    event_id="e1",
    asked_at=5.0,
    question="补卡多少钱",
    reply="补卡工本费每张8元。",
    text="",
    passages=("card.fee",),
    cited=(("card.fee", FEE.text),),
    language="zh",
)
NEXT = replace(
    ASKED,
    id=2,
    event_id="e2",
    question="那挂失呢",
    reply="挂失免费。",
    passages=("card.loss",),
    cited=(("card.loss", LOSS.text),),
)


def same(text: str) -> str:
    return text


def together(items: Iterable[Item], *lines: tuple[str, float]) -> list[tuple[Exchange, ...]]:
    """Runs over a conversation with these lines of the customer's: (event id, when)."""
    said = [(ASKED.conversation, id, at) for id, at in lines or (("e1", 0.0), ("e2", 60.0))]
    return list(runs(exchanges(items, same), said, gap_s=3600))


def ids(found: Iterable[tuple[Exchange, ...]]) -> list[list[str]]:
    return [[one.event_id for one in run] for run in found]


def test_what_was_not_approved_is_in_no_row() -> None:
    new, rejected = replace(ASKED, status="new"), replace(NEXT, status="rejected")
    assert together([new, rejected]) == []
    assert ids(together([new, NEXT])) == [["e2"]]


def test_approved_exchanges_that_followed_each_other_are_one_dialogue() -> None:
    [run] = together([ASKED, NEXT])
    row = as_messages(run)
    assert [message["role"] for message in row["messages"]] == ["user", "assistant"] * 2
    assert (row["source"], row["label"], row["passages"]) == ("vote", "good", ["card.fee", "card.loss"])


def test_a_line_between_or_an_hour_between_begins_a_new_dialogue() -> None:
    assert ids(together([ASKED, NEXT], ("e1", 0), ("between", 5), ("e2", 9))) == [["e1"], ["e2"]]
    assert ids(together([ASKED, NEXT], ("e1", 0), ("e2", 3601))) == [["e1"], ["e2"]]
    assert ids(together([ASKED, NEXT], ("e1", 0), ("e2", 3599))) == [["e1", "e2"]]


def test_a_bad_reply_stands_alone_and_is_called_bad() -> None:
    found = together([replace(ASKED, verdict="down"), NEXT])
    assert ids(found) == [["e1"], ["e2"]]
    assert [as_messages(run)["label"] for run in found] == ["bad", "good"]


def test_one_dislike_that_was_approved_outweighs_a_like() -> None:
    other = replace(ASKED, id=3, whose="other", verdict="down", at=1.0)
    [[one]] = together([ASKED, other])
    assert one.label == "bad"


def test_a_correction_takes_the_replys_place() -> None:
    disliked = replace(ASKED, verdict="down", at=99.0)
    correction = replace(ASKED, id=7, kind="correction", verdict="", text="每张8元。", at=20.0)
    resolution = replace(ASKED, id=8, kind="resolution", verdict="", text="问过了，8元。", at=30.0)
    [[one]] = together([disliked, correction, resolution])
    assert (one.reply, one.source, one.label) == ("每张8元。", "correction", "good")


def test_what_can_not_be_read_any_more_is_left_out() -> None:
    assert together([replace(ASKED, question=""), replace(NEXT, reply="")]) == []


def test_every_text_is_masked() -> None:
    [one] = exchanges([ASKED], lambda text: text.replace("8", "*"))
    assert one.reply == "补卡工本费每张*元。"


# ── the generator's form ──


def ground(**changed: Any) -> Ground:
    def passage(id: str, language: Language) -> Passage | None:
        return KNOWN.get(id)

    made = Ground(
        passage=passage,
        objection=lambda reply, on, question: "",
        refuses=lambda reply, language: False,
        longest={"zh": (240, 120), "en": (700, 360)},
        most_passages=3,
        most_turns=8,
    )
    return replace(made, **changed)


def rows(*items: Item, **changed: Any) -> tuple[list[dict[str, Any]], Counter[str]]:
    left: Counter[str] = Counter()
    made = [row for run in together(items) for row in as_dialogues(run, ground(**changed), left)]
    return made, left


def test_a_dialogue_has_its_passages_and_turns_that_name_theirs() -> None:
    [row], left = rows(ASKED, NEXT)
    assert row == {
        "id": "feedback-1",
        "lang": "zh",
        "family": "card.fee",
        "passages": [{"title": FEE.title, "text": FEE.text}, {"title": LOSS.title, "text": LOSS.text}],
        "turns": [
            {"kind": "answer", "question": "补卡多少钱", "reply": "补卡工本费每张8元。", "uses": 0},
            {"kind": "follow_up", "question": "那挂失呢", "reply": "挂失免费。", "uses": 1},
        ],
    }
    assert not left


def test_a_reply_stands_on_one_line_and_a_refusal_on_nothing() -> None:
    [row], _ = rows(
        replace(ASKED, reply="很抱歉，\n资料里没有。"), refuses=lambda reply, language: "没有" in reply
    )
    assert row["turns"] == [
        {"kind": "refuse", "question": "补卡多少钱", "reply": "很抱歉， 资料里没有。", "uses": None}
    ]


def test_what_the_knowledge_no_longer_holds_up_is_left_out_and_said() -> None:
    def refused(reply: str, on: object, question: str) -> str:
        return "a figure" if "免费" in reply else ""

    made, left = rows(
        replace(ASKED, passages=("card.gone",)),
        NEXT,
        objection=refused,
    )
    assert (made, left) == ([], {"its passage is gone": 1, "the guard refuses the reply": 1})
    was = replace(ASKED, cited=(("card.fee", "补卡工本费每张9元。"),))
    assert rows(was)[1] == {"its passage has changed since": 1}
    assert rows(replace(ASKED, passages=()))[1] == {"stands on no passage": 1}
    assert rows(replace(ASKED, verdict="down"))[1] == {"a bad reply": 1}
    assert rows(replace(ASKED, reply="好" * 121))[1] == {"the reply is too long": 1}


def test_a_passage_is_the_same_wherever_its_excerpt_was_cut_out() -> None:
    text = "\n".join(f"Step {number}: wait {number} days, then sign form {number}." for number in range(40))
    mark = text.index("wait 30 days")
    shown = excerpt(text, (mark, mark + 12)).text
    assert (shown[0], shown[-1]) == ("…", "…")
    asked = replace(ASKED, language="en", cited=(("card.fee", shown),))
    for now, left in ((text, {}), (text.replace("wait 30", "wait 31"), {"its passage has changed since": 1})):
        passage = Passage("card.fee", "en", "Fees", now)
        wide: Any = {"zh": (5000, 500), "en": (5000, 500)}
        assert rows(asked, passage=lambda id, lang, found=passage: found, longest=wide)[1] == left


def test_an_exchange_that_is_left_out_cuts_the_dialogue() -> None:
    last = replace(ASKED, id=3, event_id="e3")
    said = [(ASKED.conversation, id, 0.0) for id in ("e1", "e2", "e3")]
    [run] = runs(exchanges([ASKED, replace(NEXT, passages=()), last], same), said, gap_s=1)
    made = list(as_dialogues(run, ground(), Counter()))
    assert [len(row["turns"]) for row in made] == [1, 1]
    assert [row["turns"][0]["kind"] for row in made] == ["answer", "answer"]


def test_no_dialogue_has_more_than_three_passages() -> None:
    many = [replace(ASKED, id=n, event_id=f"e{n}", passages=(f"p{n}",), cited=()) for n in range(1, 6)]
    said = [(ASKED.conversation, one.event_id, 0.0) for one in many]
    [run] = runs(exchanges(many, same), said, gap_s=1)
    made = list(as_dialogues(run, ground(passage=lambda id, language: replace_id(id)), Counter()))
    assert [len(row["passages"]) for row in made] == [3, 2]
    assert sum(len(row["turns"]) for row in made) == 5


def replace_id(id: str) -> Passage:
    return Passage(id, "zh", FEE.title, FEE.text)
