"""Reading JSONL, CSV and plain text, and what is bad in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.errors import TellerError
from inference.training.prepare.config import Roles
from inference.training.prepare.source import SourceFile, examine, lines
from tests.inference.training.prepare.logs import read_text, said

QUESTION, ANSWER = ("customer", "卡丢了怎么办"), ("counter", "请先挂失。")
PAIR = [QUESTION, ANSWER]


@pytest.mark.parametrize(
    "row",
    [
        {
            "messages": [
                {"role": "user", "content": "卡丢了怎么办"},
                {"role": "assistant", "content": "请先挂失。"},
            ]
        },
        {"turns": [{"role": "客户", "text": "卡丢了怎么办"}, {"role": "客服02", "text": "请先挂失。"}]},
        {"turns": [{"from": "human", "value": "卡丢了怎么办"}, {"from": "gpt", "value": "请先挂失。"}]},
        {"instruction": "卡丢了怎么办", "input": "", "output": "请先挂失。", "history": []},
        {"instruction": "卡丢了怎么办", "output": "请先挂失。"},
        {"instruction": "", "input": "卡丢了怎么办", "output": "请先挂失。", "history": None},
        {"question": "卡丢了怎么办", "answer": "请先挂失。"},
        {"messages": [{"role": "system", "content": "x"}, *({"role": r, "content": t} for r, t in PAIR)]},
    ],
)
def test_every_shape_of_json_row_is_read(row: dict[str, object]) -> None:
    [dialogue], intake = read_text(json.dumps(row) + "\r\n", "jsonl")
    assert said(dialogue) == PAIR
    assert (dialogue.source, dialogue.id, intake.bad) == ("f:1", "", 0)


def test_history_comes_before_the_instruction() -> None:
    row = {
        "instruction": "多久",
        "input": "补卡",
        "output": "5天",
        "history": [["卡丢了怎么办", "请先挂失。"]],
    }
    [dialogue], _ = read_text(json.dumps(row), "jsonl")
    assert said(dialogue) == [*PAIR, ("customer", "多久\n补卡"), ("counter", "5天")]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "not JSON"),
        ('{"question": "\\ud800", "answer": "b"}', "not JSON"),
        ("[" * 100_000, "JSON"),
        ("[1]", "one object a line"),
        ("3", "not a JSON object"),
        ('{"text": "a"}', "none of the known keys"),
        ('{"question": "a"}', "'answer' is missing"),
        ('{"question": 1, "answer": "b"}', "'question' is missing or isn't text"),
        ('{"messages": {}}', "isn't a list"),
        ('{"messages": ["a"]}', "messages[1] isn't an object"),
        ('{"messages": [{"role": "王小明", "content": "a"}]}', "messages[1] has no role that is known"),
        ('{"messages": [{"role": "user", "content": null}]}', "messages[1] has no text"),
        ('{"instruction": "a", "output": "b", "history": [["c"]]}', "pairs of texts"),
        ('{"instruction": "a", "output": "b", "history": "c"}', "list of pairs"),
    ],
)
def test_a_bad_json_row_is_named_by_line_and_reason_and_the_rest_is_read(line: str, why: str) -> None:
    good = json.dumps({"id": 7, "question": "卡丢了怎么办", "answer": "请先挂失。"})
    dialogues, intake = read_text(f"{good}\n\n{line}\n{good}\n", "jsonl")
    assert [dialogue.source for dialogue in dialogues] == ["f:1", "f:4"]
    assert (dialogues[0].id, intake.rows, intake.bad) == ("7", 3, 1)
    assert intake.bad_rows[0].where == "f:3"
    assert why in intake.bad_rows[0].reason
    assert "王小明" not in intake.bad_rows[0].reason


def test_a_line_of_unbounded_length_is_a_bad_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.training.prepare.source.LONGEST_LINE", 50)
    good = json.dumps({"question": "a", "answer": "b"})
    dialogues, intake = read_text(f'{{"question": "{"x" * 200}"}}\n{good}\n', "jsonl")
    assert [row.where for row in intake.bad_rows] == ["f:1"]
    assert [dialogue.source for dialogue in dialogues] == ["f:2"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "header", ["conversation_id,role,text", "会话编号,角色,内容", "\ufeffSession ID,Speaker,Message"]
)
def test_csv_turns_are_gathered_by_conversation_though_their_rows_are_mixed(header: str, end: str) -> None:
    rows = [
        header,
        "A,客户,卡丢了怎么办",
        'B,user,"two\nlines, ""quoted"""',
        "A,坐席,请先挂失。",
        "B,agent,ok",
    ]
    dialogues, intake = read_text(end.join([*rows, ""]), "csv")
    assert [said(dialogue) for dialogue in dialogues] == [
        PAIR,
        [("customer", 'two\nlines, "quoted"'), ("counter", "ok")],
    ]
    assert [(d.id, d.source) for d in dialogues] == [("A", "f:2"), ("B", "f:3")]
    assert (intake.rows, intake.bad) == (4, 0)


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("names", [("question", "answer"), ("问题", "答案")])
def test_csv_pairs_are_read_with_any_usual_delimiter(delimiter: str, names: tuple[str, str]) -> None:
    text = delimiter.join(("id", *names)) + "\n" + delimiter.join(("9", "卡丢了怎么办", "请先挂失。")) + "\n"
    [dialogue], _ = read_text(text, "csv")
    assert (said(dialogue), dialogue.id) == (PAIR, "9")


@pytest.mark.parametrize(
    "bad",
    [
        "D,客服,普通卡免年费,金卡每年两百元",
        'D,客服,"普通卡"免年费',
        "D,路人,七",
        "D,客服",
        'D,客服,"普通卡免年费\nE,客户,七\nB,客服,"九"十',
        "D,客服,第一行\n第二行",
        "D,客服,第一行\n第二行,,",
    ],
)
def test_a_bad_csv_row_spoils_its_conversation(bad: str) -> None:
    good = "D,客户,一\nD,客服,二\n"
    other = "F,客户,五\nF,客服,六\n"
    dialogues, intake = read_text(f"conversation_id,role,text\n{good}{other}{bad}\n{good}{other}", "csv")
    assert [dialogue.id for dialogue in dialogues] == ["F"]
    assert "f:2" in intake.spoilt
    assert intake.bad_rows[0].where in {"f:6", "f:7"}


def test_every_conversation_whose_rows_are_lost_between_two_quotation_marks_is_spoilt() -> None:
    text = (
        "text,role,id\n一,客户,A\n二,客户,B\n三,客户,C\n三,客服,C\n"
        '"四,客服,A\n五,客服,B\n"六"七,客户,A\n八,客户,A\n九,客服,B\n'
    )
    dialogues, intake = read_text(text, "csv")
    assert [dialogue.id for dialogue in dialogues] == ["C"]
    assert intake.spoilt[:2] == ["f:2", "f:3"]
    assert (intake.rows, intake.bad) == (9, 3)


def test_a_shifted_row_spoils_the_conversation_though_its_id_stands_in_another_column() -> None:
    text = "text,role,id\n一,客户,A\n免年费,金卡两百,客服,A\n三,客服,A\n四,客户,B\n五,客服,B\n"
    dialogues, intake = read_text(text, "csv")
    assert [dialogue.id for dialogue in dialogues] == ["B"]
    assert "f:2" in intake.spoilt


def test_a_quotation_mark_that_is_never_closed_spoils_all_conversations_of_the_file() -> None:
    text = 'id,role,text\nA,客户,一\nA,客服,二\nB,客户,三\nB,客服,"四\nA,客户,五\n'
    dialogues, intake = read_text(text, "csv")
    assert (dialogues, intake.spoilt) == ([], ["f:2", "f:4"])
    assert str(intake.bad_rows[0]) == "f:5: a quotation mark is opened here and not closed"


def test_a_long_cell_is_no_bad_row() -> None:
    long = "长" * 200_000
    [dialogue], intake = read_text(f"id,role,text\nA,客户,{long}\nA,客服,二\n", "csv")
    assert (dialogue.turns[0].text, intake.bad) == (long, 0)


def test_a_bad_csv_row_leaves_other_conversations_and_lines_inside_quotes_are_counted() -> None:
    text = (
        'conversation_id,role,text\nD,客户,零\nE,客户,零\nA,客户,"一\n二"\nA,路人,三\nB,客户,四\nB,客服,五\n'
        ",客户,六\nC,客户\nD,客户,七,八\nE,客户,"
        '"九"十\nD,客服,好\nE,客服,好\n'
    )
    dialogues, intake = read_text(text, "csv")
    assert [dialogue.id for dialogue in dialogues] == ["B"]
    assert [row.where for row in intake.bad_rows] == ["f:6", "f:9", "f:10", "f:11", "f:12"]
    assert intake.spoilt == ["f:2", "f:3", "f:4", "f:10"]
    assert "路人" not in " ".join(row.reason for row in intake.bad_rows)


@pytest.mark.parametrize(
    ("header", "row", "taken"),
    [
        ("序号,会话ID,角色,内容", "{n},S,{who},{text}", "会话ID"),
        ("id,conversation_id,role,content", "{n},S,{who},{text}", "conversation_id"),
        ("id,session,role,content", "{n},S,{who},{text}", "session"),
    ],
)
def test_a_row_number_is_no_conversation_where_there_is_a_better_column(
    header: str, row: str, taken: str
) -> None:
    rows = [row.format(n=n, who=who, text=text) for n, (who, text) in enumerate(PAIR)]
    [dialogue], intake = read_text("\n".join([header, *(r.replace("counter", "客服") for r in rows)]), "csv")
    assert (dialogue.id, said(dialogue)) == ("S", PAIR)
    assert intake.columns["f"]["conversation"] == taken


def test_what_is_labelled_bad_in_csv_isnt_learnt() -> None:
    dialogues, intake = read_text("问题,答案,标签\na,b,good\nc,d,Bad\n", "csv")
    assert ([d.source for d in dialogues], intake.disliked) == (["f:2"], ["f:3"])
    text = "id,role,text,label\nA,客户,一,\nA,客服,二,bad\nB,客户,三,\nB,客服,四,\n"
    dialogues, intake = read_text(text, "csv")
    assert ([d.id for d in dialogues], intake.disliked) == (["B"], ["f:2"])
    assert (intake.bad, intake.spoilt) == (0, [])


def test_a_quotation_mark_that_is_never_closed_loses_and_counts_all_rows_behind_it() -> None:
    text = 'question,answer\na,b\nc,"d\n' + "e,f\n" * 30
    dialogues, intake = read_text(text, "csv")
    assert [dialogue.source for dialogue in dialogues] == ["f:2"]
    assert (intake.bad, intake.rows) == (31, 32)
    assert str(intake.bad_rows[0]) == "f:3: a quotation mark is opened here and not closed"


def test_csv_without_known_columns_is_refused() -> None:
    with pytest.raises(
        TellerError, match=r"f:2: the first row must name the columns: .*会话编号.*known .*: 角色$"
    ):
        read_text("\nfoo,角色\n1,2\n", "csv")


@pytest.mark.parametrize("format", ["jsonl", "csv", "text"])
@pytest.mark.parametrize("text", ["", "\n\r\n  \n"])
def test_an_empty_file_holds_nothing(format: str, text: str) -> None:
    dialogues, intake = read_text(text, format)  # type: ignore[arg-type]
    assert (dialogues, intake.rows, intake.bad) == ([], 0, 0)


@pytest.mark.parametrize(
    "customer", ["客户", "用户", "顾客", "User", "CUSTOMER", "客户（张女士）", "用户 12"]
)
@pytest.mark.parametrize("counter", ["客服", "坐席", "机器人", "Agent", "客服1002", "坐席[3组]"])
@pytest.mark.parametrize("colon", [":", "："])
def test_speakers_of_plain_text_are_known_by_their_many_names(
    customer: str, counter: str, colon: str
) -> None:
    [dialogue], _ = read_text(f"{customer}{colon} 卡丢了怎么办\r\n{counter}{colon}请先挂失。\r\n", "text")
    assert said(dialogue) == PAIR


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-03-02 09:14:05 ", "[10:02] ", "2026/3/2 上午9:14 ", "2026年3月2日 09:14:05，", "【09:14】",
        "2026-03-02T09:14:05.123Z ", "(10:02:33 AM) ", "[2026-03-02] ",
    ],
)  # fmt: skip
def test_timestamps_in_front_or_behind_the_speaker_are_left_out(stamp: str) -> None:
    [dialogue], _ = read_text(f"{stamp}客户：卡丢了怎么办\n{stamp}客服：请先挂失。", "text")
    assert said(dialogue) == PAIR
    [dialogue], _ = read_text(
        f"客户 {stamp.rstrip('，')}\n卡丢了怎么办\n客服 {stamp.rstrip('，')}\n请先挂失。", "text"
    )
    assert [text.strip() for _, text in said(dialogue)] == [text for _, text in PAIR]


def test_plain_text_is_cut_at_blank_lines_and_rules_and_goes_on_over_lines() -> None:
    text = (
        "会话 W-7\n客户：一\n客服：二\n用户名：不是说话人\n客服热线：也不是\n\n"
        "客户：三\n客服：四\n-----\n顾客：五\n机器人：六\n"
    )
    dialogues, intake = read_text(text, "text")
    assert [said(dialogue) for dialogue in dialogues] == [
        [("customer", "一"), ("counter", "二\n用户名：不是说话人\n客服热线：也不是")],
        [("customer", "三"), ("counter", "四")],
        [("customer", "五"), ("counter", "六")],
    ]
    assert [(d.id, d.source) for d in dialogues] == [("W-7", "f:1"), ("", "f:7"), ("", "f:10")]
    assert intake.bad == 0


def test_blank_lines_may_stand_inside_a_conversation_if_the_file_says_so() -> None:
    dialogues, _ = read_text("客户：卡丢了怎么办\n\n客服：请先挂失。\n", "text", blank_line_ends=False)
    assert [said(dialogue) for dialogue in dialogues] == [PAIR]


def test_two_speakers_may_share_a_line() -> None:
    [dialogue], _ = read_text("客户：卡丢了怎么办 客服：请先挂失。 客户：我问客户：对吗", "text")
    assert said(dialogue) == [*PAIR, ("customer", "我问客户：对吗")]


def test_a_line_before_any_speaker_is_a_bad_row() -> None:
    dialogues, intake = read_text("昨天的记录如下\n客户：卡丢了怎么办\n客服：请先挂失。\n", "text")
    assert [said(dialogue) for dialogue in dialogues] == [PAIR]
    assert [row.where for row in intake.bad_rows] == ["f:1"]


@pytest.mark.parametrize(
    "text",
    [
        "客户：卡丢了怎么办\n王丽：您好，请先挂失。\n客服：好\n",
        "客户：卡丢了怎么办\n小澜：您好，请先挂失。\n客服：好\n",
        "客户：一\n客服：请先挂失。\n张伟：还有呢\n客服：好\n",
        "客户：一\n客服：二\nAlice: three\n客户：四\n客服：五\nAlice: six\n客服：七\n",
        "客户：一\n客服：二\n[10:02] 经理：三\n",
        "客户 10:01\n一\n客服 10:02\n二\n经理 10:03\n三\n客服 10:04\n四\n",
    ],
)
def test_an_unknown_speakers_line_is_refused_and_spoils_the_conversation(text: str) -> None:
    dialogues, intake = read_text(f"{text}\n客户：卡丢了怎么办\n客服：请先挂失。\n", "text")
    assert [said(dialogue) for dialogue in dialogues] == [PAIR]
    assert intake.spoilt == ["f:1"]
    assert {row.reason for row in intake.bad_rows} == {
        "begins like a speaker who isn't known; name yours under `roles`"
    }


@pytest.mark.parametrize(
    "line",
    ["注意：带身份证", "步骤：先登录", "第一步：登录", "温馨提示：请勿转告", "10:30", "10:30 开门",
     "地址：路1", "https://bank.example/a", "Note: bring it", "Step 2: sign", "到账时间 10:30"],
)  # fmt: skip
def test_an_ordinary_line_with_a_colon_goes_on(line: str) -> None:
    text = f"10:01 客户：卡丢了怎么办\n{line}\n10:02 客服：请先挂失。\n{line}\n10:03 客服：好\n{line}\n"
    [dialogue], intake = read_text(text, "text")
    assert [turn.text for turn in dialogue.turns] == [
        f"{words}\n{line}" for words in ("卡丢了怎么办", "请先挂失。", "好")
    ]
    assert (intake.bad, intake.unsure) == (0, 0)


def test_a_word_that_may_be_a_speaker_is_counted() -> None:
    [dialogue], intake = read_text("客户：一\n客服：二\n金卡：两百元\n", "text")
    assert (said(dialogue)[1][1], intake.unsure) == ("二\n金卡：两百元", 1)


def test_a_title_keeps_its_id_over_a_blank_line() -> None:
    text = "会话编号：A77\n\n客户：一\n客服：二\n\n客户：三\n客服：四\n"
    dialogues, intake = read_text(text, "text")
    assert [dialogue.id for dialogue in dialogues] == ["A77", ""]
    assert intake.bad == 0


def test_names_of_speakers_can_be_added_and_ignored() -> None:
    roles = Roles(customer=("储户甲",), counter=("小澜",), ignored=("旁白",))
    [dialogue], _ = read_text(
        "储户甲：卡丢了怎么办\n旁白：停顿\n还是停顿\n小澜：请先挂失。\n", "text", roles=roles
    )
    assert said(dialogue) == PAIR


def test_the_first_twenty_bad_rows_are_listed_when_there_are_more_than_may_be_skipped() -> None:
    with pytest.raises(TellerError) as caught:
        read_text("{\n" * 500, "jsonl", limit=3)
    assert str(caught.value).count(": not JSON") == 20
    assert "f:20: not JSON" in str(caught.value)
    assert "max_bad_rows lets 3 pass" in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_the_encoding_is_found_by_trying(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    text = "客户：您好，我的卡丢了怎么办\n客服：请先挂失。\n" * 30
    path.write_bytes(text.encode(encoding))
    source = examine(path, "a.txt", "text")
    with source.open(lambda n: None) as file:
        assert "\n".join(str(line) for _, line in lines(file)) + "\n" == text


@pytest.mark.parametrize(
    ("data", "said_of_it"),
    [
        ("客户：好\n".encode("utf-16"), "UTF-16"),
        (b"a\n\0\n", "null bytes"),
        ("客户：好\nabc".encode() + b"\xff\xfe\xff\n", r"a\.txt:2: not UTF-8, and not GB18030 \(line \d\)"),
        ("客戶：卡片遺失該怎麼辦，補發需要幾天時間才能拿到手呢\n".encode("big5") * 5, r"a\.txt:1: not UTF-8"),
        ("您好，请问信用卡怎么还款".encode() * 20 + "好".encode()[:2], r"a\.txt:1: not UTF-8"),
    ],
)  # fmt: skip
def test_another_encoding_is_refused_with_its_place(tmp_path: Path, data: bytes, said_of_it: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(TellerError, match=said_of_it):
        examine(path, "a.txt", "text")


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    source = SourceFile(tmp_path / "gone.txt", "gone.txt", "utf-8", "text", 0, "")
    with pytest.raises(TellerError, match=r"gone\.txt can't be read"), source.open(lambda n: None):
        pass
    with pytest.raises(TellerError, match=r"gone\.txt can't be read"):
        examine(tmp_path / "gone.txt", "gone.txt", "text")
