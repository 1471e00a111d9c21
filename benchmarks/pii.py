"""Finding personal data: what ships against plainer choices, over the hard cases and any file given.

python -m benchmarks.pii [--cases F ...]
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

import jieba
import jieba.posseg

from inference.evaluation.pii import compare, load_cases
from inference.privacy import Span, find
from inference.privacy.checks import id_check, luhn

HARD = Path("tests/inference/privacy/cases.jsonl")

_PLAIN = re.compile(
    r"(?P<EMAIL>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|(?P<IBAN>\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b)"
    r"|(?P<SSN>(?<!\d)\d{3}-\d{2}-\d{4}(?!\d))"
    r"|(?P<ID_CARD>(?<!\d)\d{17}[\dXx](?!\d))"
    r"|(?P<BANK_CARD>(?<!\d)\d(?:[ -]?\d){12,18}(?!\d))"
    r"|(?P<PHONE>(?<!\d)1[3-9]\d{9}(?!\d)|\(\d{3}\) \d{3}-\d{4})"
    r"|(?P<PASSPORT>(?<![A-Za-z0-9])[EG]\d{8}(?!\d))"
)


def plain(text: str) -> list[Span]:
    """One pattern and the checksums: what a first version would do."""
    spans = []
    for match in _PLAIN.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if match.lastgroup == "BANK_CARD" and not luhn(digits):
            continue
        if match.lastgroup == "ID_CARD" and not id_check(match[0]):
            continue
        spans.append(Span(*match.span(), match.lastgroup))  # type: ignore[arg-type]
    return spans


def with_jieba(text: str) -> list[Span]:
    """What ships, with the names from jieba's part-of-speech tags (nr) in place of our rules."""
    spans = [span for span in find(text) if span.type != "NAME"]
    return spans + [name for name in jieba_names(text) if not any(_touch(name, span) for span in spans)]


def jieba_names(text: str) -> list[Span]:
    spans, at = [], 0
    for word, tag in jieba.posseg.cut(text):
        if tag.startswith("nr") and len(word) > 1:
            spans.append(Span(at, at + len(word), "NAME"))
        at += len(word)
    return spans


def _touch(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


def ours_without_names(text: str) -> Sequence[Span]:
    return [span for span in find(text) if span.type != "NAME"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=Path, nargs="*", default=[HARD])
    jieba.setLogLevel(60)
    ways = {
        "shipped": find,
        "shipped, jieba.posseg names": with_jieba,
        "shipped, no names": ours_without_names,
        "one pattern and checksums": plain,
    }
    report = {}
    for path in parser.parse_args().cases:
        cases = load_cases(path)
        report[str(path)] = compare(cases, ways)
        long = " ".join(case.text for case in cases)[:4000]
        began = time.perf_counter()
        find(long)
        report[str(path)]["4,000 characters, ms"] = round((time.perf_counter() - began) * 1000, 1)
    for path, parts in report.items():
        print(path)
        for name, figures in parts.items():
            if isinstance(figures, dict):
                names = figures["by_type"].get("NAME", {})
                print(
                    f"  {name:30} F1 {figures['f1']:.3f} P {figures['precision']:.3f} R {figures['recall']:.3f}"
                    f" | names F1 {names.get('f1', 0):.3f} | {figures['false_positives_on_must_not_match']} on must-not"
                    f" | {figures['msgs_per_s']}/s"
                )
    print(json.dumps(report, ensure_ascii=False))


if __name__ == "__main__":
    main()
