"""The knowledge linter: each kind of mistake is found at its line, and the shipped knowledge has none."""

# ruff: noqa: E501 (tables of examples read best one a line)
from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from inference.lint import Finding, lint

KNOWLEDGE = Path(__file__).parents[2] / "config" / "knowledge"

ENTRIES = """\
entries:
  - id: cards.lost
    topic: cards
    facts: [bank.hotline, card.fee]
    related: [cards.pin]
    zh:
      question: 卡丢了怎么办？
      answer: 请马上拨打000-95501挂失。补卡费10元，7个工作日内寄到。
      paraphrases: [卡不见了, 钱包被偷, 丢卡, 卡掉了, 找不到卡, 卡落出租车上, 挂失]
    en:
      question: What if I lose my card?
      answer: Call 000-95501 at once to report it. A new card costs CNY 10 and arrives within 7 business days.
      paraphrases: [lost card, my wallet was stolen, card gone, report loss, left it in a taxi]
  - id: cards.pin
    topic: cards
    zh:
      question: 密码忘了怎么办？
      answer: 请本人带身份证到网点重置密码，当场办好。
      paraphrases: [忘记密码, 密码不对, 重置密码, 密码想不起来, 取款密码丢了, 改密码要去哪, 密码锁了]
    en:
      question: What if I forget my PIN?
      answer: Bring your ID to a branch and reset it on the spot.
      paraphrases: [forgot PIN, wrong PIN, reset PIN, PIN gone, where to change it]
"""
FACTS = """\
facts:
  bank.hotline: {value: "000-95501", unit: phone}
  bank.site: {value: "https://www.lanwan.example", unit: url}
  card.fee: {value: 10, unit: CNY}
"""
DOCUMENT = {
    "zh": "---\ntitle: 收费表\ntopic: fees\n---\n\n# 收费表\n\n## 补卡\n\n补卡费10元。\n\n## 网址\n\nhttps://www.lanwan.example/fees\n",
    "en": "---\ntitle: Fees\ntopic: fees\n---\n\n# Fees\n\n## Cards\n\nA new card costs CNY 10.\n\n## Site\n\nhttps://www.lanwan.example/fees\n",
}


@pytest.fixture
def linted(tmp_path: Path) -> Callable[..., list[Finding]]:
    """Lint a small, right knowledge folder after one replacement in one of its files."""

    def run(old: str = "", new: str = "", file: str = "entries/cards.yaml") -> list[Finding]:
        texts = {"entries/cards.yaml": ENTRIES, "facts/bank.yaml": FACTS}
        texts |= {f"documents/fees.{language}.md": text for language, text in DOCUMENT.items()}
        assert old in texts[file]
        texts[file] = texts[file].replace(old, new, 1)
        for name, text in texts.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return lint(tmp_path)

    return run


def test_right_knowledge_has_no_findings(linted: Callable[..., list[Finding]]) -> None:
    assert linted() == []


def test_the_shipped_knowledge_has_no_errors() -> None:
    assert [str(finding) for finding in lint(KNOWLEDGE) if finding.severity == "error"] == []


@pytest.mark.parametrize(
    ("file", "old", "new", "line", "severity", "says"),
    [
        ("entries/cards.yaml", "[忘记密码,", "[卡不见了！,", 19, "error", "is asked by cards.lost too"),
        ("entries/cards.yaml", "[忘记密码,", "[忘记密码, 忘记密码,", 19, "warning", "written twice"),
        ("entries/cards.yaml", "[forgot PIN,", "[Left it in a taxi!,", 23, "error", "is asked by cards.lost too"),
        ("entries/cards.yaml", "related: [cards.pin]", "related: [cards.pim]", 5, "error", "did you mean 'cards.pin'"),
        ("entries/cards.yaml", "card.fee]", "card.fees]", 4, "error", "did you mean 'card.fee'"),
        ("entries/cards.yaml", "补卡费10元", "补卡费15元", 4, "error", "names card.fee = 10 CNY but says 15元"),
        ("entries/cards.yaml", "补卡费10元", "补卡费15元", 12, "error", "only the zh text says 15元"),
        ("entries/cards.yaml", "7 business days", "7 days", 12, "error", "7个工作日"),
        ("entries/cards.yaml", "7 business days", "9 business days", 12, "error", "only the en text says 9 business days"),
        ("entries/cards.yaml", "拨打000-95501", "拨打000-95510", 8, "error", "000-95510 is in no fact"),
        ("entries/cards.yaml", "当场办好。", "当场办好。不行就拨打95588。", 18, "error", "95588 is in no fact"),
        ("entries/cards.yaml", "当场办好。", "当场办好，见www.lanwan-bank.example。", 18, "error", "is in no fact"),
        ("entries/cards.yaml", "当场办好。", "当场办好。本行理财保本。", 18, "error", "promises '保本'"),
        ("entries/cards.yaml", "[forgot PIN, wrong PIN, reset PIN, PIN gone, ", "[", 21, "warning", "has 1 paraphrases in en"),
        ("entries/cards.yaml", "当场办好。", "当场办好。" + "请多留意。" * 130, 18, "warning", "characters"),
        ("facts/bank.yaml", "value: 10,", "value: 12,", 4, "error", "names card.fee = 12 CNY"),
        ("documents/fees.en.md", "CNY 10", "CNY 20", 10, "error", "only the zh text says 10元"),
        ("documents/fees.en.md", "## Site\n", "", 0, "error", "1 sections where the Chinese text has 2"),
        ("documents/fees.zh.md", "www.lanwan.example", "www.lanwam.example", 14, "error", "is in no fact"),
    ],
)  # fmt: skip
def test_a_mistake_is_found_at_its_line(
    linted: Callable[..., list[Finding]],
    *,
    file: str,
    old: str,
    new: str,
    line: int,
    severity: str,
    says: str,
) -> None:
    findings = linted(old, new, file)
    places = [
        (finding.problem.line, finding.severity) for finding in findings if says in finding.problem.message
    ]
    assert set(places) == {(line, severity)}, [str(finding) for finding in findings]


def test_a_missing_language_is_a_warning(linted: Callable[..., list[Finding]]) -> None:
    english = ENTRIES[ENTRIES.rindex("    en:\n") :]
    assert [(finding.severity, finding.problem.line) for finding in linted(english, "")] == [("warning", 14)]


def test_nearly_the_same_question_is_a_warning(linted: Callable[..., list[Finding]]) -> None:
    long = "please tell me right now where exactly I have to go to change that secret number"
    findings = linted("where to change it]", f"{long}]")
    assert findings == []
    text = ENTRIES.replace("where to change it]", f"{long}]").replace("left it in a taxi]", f"{long}s]")
    assert [f.severity for f in linted(ENTRIES, text)] == ["warning"]


def _altered(number: str) -> str:
    return ("7" if number[0] != "7" else "8") + number[1:]


def test_a_figure_altered_in_one_language_is_found(tmp_path: Path) -> None:
    """One digit of the shipped English answers at a time; the linter must notice nearly all of them."""
    rng = random.Random(7)
    shutil.copytree(KNOWLEDGE, tmp_path / "knowledge")
    altered: list[str] = []
    for name in ("cards_credit", "loans", "transfers"):
        path = tmp_path / "knowledge" / "entries" / f"{name}.yaml"
        text = path.read_text(encoding="utf-8")
        places = [
            match
            for match in re.finditer(
                r"(?<=CNY )\d[\d,]*|\d+(?:\.\d+)?(?=%| business days| days| hours)", text
            )
            if text.rfind("\n    en:", 0, match.start()) > text.rfind("\n    zh:", 0, match.start())
            and text.rfind("answer:", 0, match.start()) > text.rfind("paraphrases:", 0, match.start())
        ]
        for match in sorted(rng.sample(places, 12), key=lambda match: -match.start()):
            altered.append(_altered(match[0]))
            text = text[: match.start()] + altered[-1] + text[match.end() :]
        path.write_text(text, encoding="utf-8")
    found = "\n".join(str(finding) for finding in lint(tmp_path / "knowledge"))
    assert [number for number in altered if number not in found] == []
