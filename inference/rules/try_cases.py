"""Try the rules on case files: python -m inference.rules.try_cases FILE... [--show N] [--category C]"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path

from inference.evaluation.risk import evaluate_risk, read_cases
from inference.rules import RuleEngine, load_rules

parser = argparse.ArgumentParser()
parser.add_argument("files", nargs="+", type=Path)
parser.add_argument("--show", type=int, default=1000)
parser.add_argument("--category", default="")
parser.add_argument("--rules", type=Path, default=Path("config/rules"))
options = parser.parse_args()
engine = RuleEngine(load_rules(options.rules, today=date.today()))
cases = [c for f in options.files for c in read_cases(f) if options.category in c.category]
report = evaluate_risk(engine, cases, failures=True)
failures = report.pop("failures")
for failure in failures[: options.show]:
    print(json.dumps(failure, ensure_ascii=False))  # noqa: T201
print(json.dumps(report, ensure_ascii=False))  # noqa: T201
