"""The whole way, from files to splits and report."""

from __future__ import annotations

import hashlib
import json
import os
import random
from pathlib import Path

import pytest

from bot.errors import TellerError
from inference.training.prepare import load_prepare_config, prepare
from inference.training.prepare.listed import listed
from tests.inference.training.prepare.logs import chat, contents, kept, rows_of, run, write_rows

OUTPUTS = ["dev.jsonl", "report.json", "report.md", "test.jsonl", "train.jsonl"]
WORDS = listed(
    "存款 取款 转账 汇款 贷款 利率 期限 额度 密码 柜台 网点 信用卡 还款 分期 挂失 补卡 理财 基金 外币 账单"
)


def different(count: int) -> list[dict[str, object]]:
    """Conversations that don't resemble each other."""
    chance = random.Random(4)
    return [chat(*("".join(chance.choices(WORDS, k=12)) for _ in range(4)), id=f"c{n}") for n in range(count)]


def test_conversations_become_canonical_masked_rows(tmp_path: Path) -> None:
    report = run(
        tmp_path,
        [
            chat("我叫李晓明，卡丢了", "晓明您好，请先挂失，电话13800138000", id="a"),
            {"question": "How do I close my account?", "answer": "Please visit a branch."},
        ],
    )
    assert sorted(kept(tmp_path), key=lambda row: row["source"]) == [
        {
            "id": "a",
            "messages": [
                {"role": "user", "content": "我叫李**，卡丢了"},
                {"role": "assistant", "content": "**您好，请先挂失，电话138****8000"},
            ],
            "source": "rows.jsonl:1",
            "language": "zh",
        },
        {
            "id": made_id(tmp_path),
            "messages": [
                {"role": "user", "content": "How do I close my account?"},
                {"role": "assistant", "content": "Please visit a branch."},
            ],
            "source": "rows.jsonl:2",
            "language": "en",
        },
    ]
    assert report.statistics["languages"] == {"en": 1, "zh": 1}
    assert report.statistics["masked"]["share_of_dialogues"] == 0.5
    assert report.statistics["masked"]["kinds"]["NAME"] == {"pieces": 2, "share_of_dialogues": 0.5}


def test_a_reply_that_was_found_bad_is_no_example_and_no_bad_row(tmp_path: Path) -> None:
    good = {**chat("卡丢了怎么办", "请先挂失", id="a"), "label": "good"}
    bad = {**chat("怎么开户", "不用带证件", id="b"), "label": "bad"}
    report = run(tmp_path, [good, bad])
    assert [row["id"] for row in kept(tmp_path)] == ["a"]
    assert {reason: what.count for reason, what in report.dropped.items()} == {"bad_reply": 1}
    assert (report.rows, report.bad, report.read) == (2, 0, 2)


def made_id(folder: Path) -> str:
    [row] = [row for row in kept(folder) if row["language"] == "en"]
    id: str = row["id"]
    assert id.startswith("d-")
    return id


def test_everything_dropped_is_counted_with_its_reason_and_place(tmp_path: Path) -> None:
    base = "请问信用卡账单日是每月几号，还款日又是几号，可以改到月底吗"
    report = run(
        tmp_path,
        [
            chat(base, "账单日可以每年在手机银行里修改一次，还款日会跟着变。"),
            chat(base + "\u200b[图片]", "账单日可以每年在手机银行里修改一次，还款日会跟着变。[微笑]"),
            chat(base, "账单日可以每年在手机银行里修改一次，还款日就会跟着变。"),
            chat("在吗"),
            chat("[图片]", "[图片]"),
            chat("Как открыть счёт?", "Приходите в отделение."),
            chat("啊", "您好，请讲"),
        ],
    )
    assert {reason: (what.count, what.examples) for reason, what in report.dropped.items()} == {
        "empty": (1, ("rows.jsonl:5",)),
        "no_reply": (1, ("rows.jsonl:4",)),
        "too_short": (1, ("rows.jsonl:7",)),
        "language": (1, ("rows.jsonl:6",)),
        "exact_duplicate": (1, ("rows.jsonl:2",)),
        "near_duplicate": (1, ("rows.jsonl:3",)),
    }
    assert (report.read, len(kept(tmp_path)), report.clusters) == (7, 1, 1)
    [cluster] = report.largest_clusters
    assert (cluster.kept, cluster.exact, cluster.near) == ("rows.jsonl:1", 1, 1)
    written = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "| near_duplicate | nearly the same words as an earlier one | 1 | rows.jsonl:3 |" in written
    assert base[:10] not in written
    assert base[:10] not in (tmp_path / "out" / "report.json").read_text(encoding="utf-8")


def test_two_that_differ_only_in_what_is_masked_are_the_same(tmp_path: Path) -> None:
    report = run(
        tmp_path, [chat(f"我的手机号是138{n}0018000，收不到短信", "请到网点更新号码。") for n in (1, 2)]
    )
    assert report.dropped["exact_duplicate"].count == 1
    assert len(kept(tmp_path)) == 1


def test_siblings_and_rows_of_one_id_stay_on_one_side(tmp_path: Path) -> None:
    rows = different(120)
    chance = random.Random(9)
    siblings = [
        chat(
            *contents(rows[n]),
            "".join(chance.choices(WORDS, k=5)),
            "".join(chance.choices(WORDS, k=5)),
            id=f"s{n}",
        )
        for n in range(60)
    ]
    same_id = [chat(*contents(row), id=f"c{60 + n}") for n, row in enumerate(different(400)[340:])]
    report = run(tmp_path, [*rows, *siblings, *same_id], "split: {train: 0.4, dev: 0.3, test: 0.3}")
    side = {
        row["id"]: split
        for split in ("train", "dev", "test")
        for row in rows_of(tmp_path / "out" / f"{split}.jsonl")
    }
    assert len(side) == 240
    assert set(side.values()) == {"train", "dev", "test"}
    assert all(side[f"c{n}"] == side[f"s{n}"] for n in range(60))
    assert all(side[f"c{n}"] == side[f"c{n}#2"] for n in range(60, 120))
    assert report.families == {"count": 120, "largest": 2, "joined": 240}
    assert report.renamed_ids == 60


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    rows = different(40)

    def bytes_of() -> list[bytes]:
        return [(tmp_path / "out" / name).read_bytes() for name in OUTPUTS]

    report = run(tmp_path, rows)
    first = bytes_of()
    run(tmp_path, rows)
    assert bytes_of() == first
    assert report.splits["train"]["sha256"] == hashlib.sha256(first[-1]).hexdigest()
    run(tmp_path, rows, "seed: 8")
    assert bytes_of() != first


def test_an_id_that_may_be_personal_is_replaced(tmp_path: Path) -> None:
    given = ["13800138000", "20260301", "李晓明 13800138000", "x" * 80, "web-7", "web-7"]
    rows = [{**row, "id": id} for row, id in zip(different(6), given, strict=True)]
    report = run(tmp_path, rows)
    ids = {row["source"].rpartition(":")[2]: row["id"] for row in kept(tmp_path)}
    assert all(ids[str(n)].startswith("d-") for n in range(1, 5))
    assert (ids["5"], ids["6"], report.renamed_ids) == ("web-7", "web-7#2", 5)


def test_a_name_in_a_files_name_is_masked_in_what_is_written(tmp_path: Path) -> None:
    write_rows(tmp_path / "客户13800138000.jsonl", different(1))
    run(tmp_path)
    assert [row["source"] for row in kept(tmp_path)] == ["客户138****8000.jsonl:1"]
    assert "13800138000" not in (tmp_path / "out" / "report.json").read_text(encoding="utf-8")


def test_nothing_personal_of_names_and_ids_stands_in_the_clear(tmp_path: Path) -> None:
    rows = different(3)
    rows[0]["id"] = "张伟-1"
    write_rows(tmp_path / "客户13800138000.jsonl", rows[:1])
    write_rows(tmp_path / "张伟_聊天.jsonl", rows[1:])
    (tmp_path / "prepare.yaml").write_text(
        "inputs: [客户13800138000.jsonl, 张伟_聊天.jsonl]\nout: out\nroles: {counter: [王丽]}\n",
        encoding="utf-8",
    )
    prepare(load_prepare_config(tmp_path / "prepare.yaml"))
    for name in OUTPUTS:
        path = tmp_path / "out" / name
        written = path.read_text(encoding="utf-8")
        assert not [word for word in ("13800138000", "张伟", "王丽") if word in written]
        assert path.stat().st_mode & 0o777 == 0o600
    assert {row["source"] for row in kept(tmp_path)} >= {"客户138****8000.jsonl:1", "张*_聊天.jsonl:1"}


def test_a_file_that_cant_be_replaced_is_said_with_those_that_were(tmp_path: Path) -> None:
    (tmp_path / "out" / "test.jsonl").mkdir(parents=True)
    with pytest.raises(
        TellerError, match=r"test\.jsonl: .*so far: .*train\.jsonl.*two runs.*run again"
    ) as caught:
        run(tmp_path, different(3))
    assert "nothing was put in place" not in str(caught.value)
    placed = str(caught.value).partition("so far: ")[2].partition(";")[0].split(", ")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([*placed, "test.jsonl"])


def test_the_columns_that_were_taken_are_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "序号,角色,内容\n1,客户,卡丢了怎么办\n2,客服,请先挂失。\n", encoding="utf-8"
    )
    with pytest.raises(TellerError, match=r"a\.csv: read from the columns 序号, 角色, 内容"):
        run(tmp_path)
    (tmp_path / "a.csv").write_text("问题,答案\n卡丢了怎么办,请先挂失。\n", encoding="utf-8")
    report = run(tmp_path)
    assert report.inputs[0]["columns"] == {"question": "问题", "answer": "答案"}
    assert "| question: 问题, answer: 答案 |" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_what_wasnt_indexed_and_what_may_be_a_speaker_is_noted(tmp_path: Path) -> None:
    base = "".join(random.Random(2).choices(WORDS, k=60))
    chance = random.Random(3)
    (tmp_path / "a.txt").write_text("客户：卡丢了怎么办\n客服：请先挂失。\n金卡：两百元\n", encoding="utf-8")
    report = run(tmp_path, [chat(base, "".join(chance.choices(WORDS, k=12))) for _ in range(90)])
    assert any("conversations stand among very many that resemble" in said for said in report.warnings)
    assert any(said.startswith("1 lines of plain text begin with a word") for said in report.warnings)


def test_one_conversation_goes_to_train_and_an_empty_file_is_noted(tmp_path: Path) -> None:
    (tmp_path / "nothing.csv").touch()
    report = run(tmp_path, different(1))
    assert [report.splits[split]["dialogues"] for split in ("train", "dev", "test")] == [1, 0, 0]
    assert "nothing.csv is empty" in report.warnings
    assert any(warning.startswith("dev got no conversation") for warning in report.warnings)


def test_a_family_that_makes_the_shares_unreachable_is_noted(tmp_path: Path) -> None:
    base = "".join(random.Random(2).choices(WORDS, k=60))
    chance = random.Random(3)
    rows = [chat(base, "".join(chance.choices(WORDS, k=10))) for _ in range(12)]
    report = run(tmp_path, rows)
    assert report.families["largest"] == 12
    assert any("one family of siblings holds 12 of 12" in warning for warning in report.warnings)


@pytest.mark.parametrize("rows", [["{"] * 3, [chat("在吗")], []])
def test_nothing_left_says_why_and_writes_nothing(tmp_path: Path, rows: list[object]) -> None:
    with pytest.raises(TellerError, match=r"nothing is left to train on"):
        run(tmp_path, rows, "max_bad_rows: 100")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("limit", "passes"), [("2", True), ("1", False), ("0.2", True), ("0.19", False), ("0", False)]
)
def test_bad_rows_pass_up_to_a_count_or_a_share(tmp_path: Path, limit: str, passes: bool) -> None:
    rows = [*different(8), {"text": "a"}, {"text": "b"}]
    if passes:
        report = run(tmp_path, rows, f"max_bad_rows: {limit}")
        assert (report.bad, str(report.bad_rows[0])[:13]) == (2, "rows.jsonl:9:")
        assert "* rows.jsonl:10: none of the known keys" in (tmp_path / "out" / "report.md").read_text(
            "utf-8"
        )
        return
    with pytest.raises(
        TellerError, match=r"(?s)2 bad rows of 10.*rows\.jsonl:9: none of.*rows\.jsonl:10: none of"
    ):
        run(tmp_path, rows, f"max_bad_rows: {limit}")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_conversation_spoilt_by_a_bad_row_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "conversation_id,role,text\nA,客户,卡丢了怎么办\nA,谁,请\nA,客服,请先挂失。\nB,客户,利率是多少\nB,客服,看公告栏。\n",
        encoding="utf-8",
    )
    report = run(tmp_path, None, "max_bad_rows: 1")
    assert (report.read, report.dropped["bad_row"].examples) == (2, ("a.csv:2",))
    assert [row["id"] for row in kept(tmp_path)] == ["B"]


@pytest.mark.parametrize("when", ["reading", "writing"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_what_was_there_and_no_half_written_file(
    tmp_path: Path, when: str, error: type[BaseException]
) -> None:
    run(tmp_path, different(3))
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    write_rows(tmp_path / "rows.jsonl", different(200))

    def stop(stage: str, done: int, total: int) -> None:
        if stage == when and done > 0:
            raise error

    with pytest.raises(error):
        prepare(load_prepare_config(tmp_path / "prepare.yaml"), stop)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert sorted(before) == OUTPUTS


def test_a_folder_that_cant_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    write_rows(tmp_path / "rows.jsonl", different(1))
    config = tmp_path / "prepare.yaml"
    config.write_text("inputs: [rows.jsonl]\nout: taken/out\n", encoding="utf-8")
    with pytest.raises(TellerError, match=r"can't write to .*taken/out: .*choose another `out`"):
        prepare(load_prepare_config(config))


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TellerError, match="No space left on device"):
        run(tmp_path, different(2))
    assert list((tmp_path / "out").iterdir()) == []


def test_progress_runs_to_the_end_of_both_stages(tmp_path: Path) -> None:
    run(tmp_path, different(100))
    seen: dict[str, list[tuple[int, int]]] = {}

    def note(stage: str, done: int, total: int) -> None:
        seen.setdefault(stage, []).append((done, total))

    prepare(load_prepare_config(tmp_path / "prepare.yaml"), note)
    size = (tmp_path / "rows.jsonl").stat().st_size
    assert seen["reading"][-1] == (size, size)
    assert seen["writing"][-1] == (100, 100)
    assert all(done == sorted(done) for done in seen.values())


def test_words_are_counted_without_stop_words_and_without_those_of_one_conversation(tmp_path: Path) -> None:
    report = run(
        tmp_path,
        [
            chat("请问信用卡怎么还款", "您可以在手机银行办理信用卡还款。", "蝴蝶", "蝴蝶呢"),
            chat("外币理财有哪些产品", "手机银行首页可以看到全部理财产品，信用卡客户也能买。"),
        ],
    )
    words = dict(report.statistics["words"]["most_frequent"]["zh"])
    assert (words["信用卡"], words["手机银行"]) == (3, 2)
    assert not {"可以", "请问", "蝴蝶"} & set(words)


def test_formats_and_encodings_come_together(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("问题,答案\r\n卡丢了怎么办,请先挂失。\r\n".encode("gb18030"))
    (tmp_path / "b.txt").write_text("客户：利率是多少\n客服：请看网点的公告栏。\n", encoding="utf-8-sig")
    report = run(tmp_path, [chat("外币怎么存", "请带护照到网点。")])
    assert [(item["name"], item["encoding"], item["conversations"]) for item in report.inputs] == [
        ("rows.jsonl", "utf-8", 1),
        ("a.csv", "gb18030", 1),
        ("b.txt", "utf-8", 1),
    ]
    assert json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))["read"] == 3
    assert len(kept(tmp_path)) == 3
