"""The safeguards of a test: the real ones, over a small rule set of the test's own."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from textwrap import dedent

from bot.ids import utc_now
from bot.limits.meter import Meter
from bot.metrics import Metrics
from bot.ports import Clock
from bot.safeguards import Safeguards
from inference.privacy.masker import TextMasker
from inference.rules import RuleEngine, approvals, load_rules

__all__ = ["RULES", "approve_all", "engine_of", "safeguards"]

RULES = """
concepts:
  safe_account: {zh: [安全账户], en: [safe account], sounds: true}
  moved: {zh: [(转|汇)(了|过去)], en: ["sent (it|money)"]}
  abroad: {zh: [汇到国外], en: [abroad]}
  sell: {zh: [卖(银行卡|账户)], en: ["sell my (card|account)"]}
templates:
  caution: {zh: "这是骗局，请打 96110 或 {hotline}。", en: "This is a scam; call 96110 or {hotline}."}
  act: {zh: "先别再转，马上打 110。", en: "Stop, and call 110 now."}
  check: {zh: "这是一笔大额汇款。", en: "This is a large transfer."}
  refuse: {zh: "这个我帮不了。有疑问请拨打 {hotline}。", en: "I can't help with this. Questions: {hotline}."}
rules:
  - id: t.before
    effective_from: 2020-01-01
    severity: P2
    action: warn
    department: fraud_risk
    reason: scam_police
    when: said.safe_account && !said.moved
    template: caution
    source: the test
    tests:
      fire: [转到安全账户]
      quiet: [你好]
  - id: t.after
    effective_from: 2020-01-01
    severity: P1
    action: escalate
    department: fraud_risk
    reason: scam_police
    when: said.safe_account && said.moved
    template: act
    source: the test
    tests:
      fire: [转了，安全账户]
      quiet: [安全账户]
  - id: t.abroad
    effective_from: 2020-01-01
    severity: P2
    action: confirm
    department: fraud_risk
    reason: scam_police
    when: said.abroad && amount.usd >= 1000000
    template: check
    source: the test
    tests:
      fire: [两万美元汇到国外]
      quiet: [汇到国外]
  - id: t.sell
    effective_from: 2020-01-01
    severity: P2
    action: block
    department: compliance
    reason: account_sale
    when: said.sell
    template: refuse
    source: the test
    tests:
      fire: [我想卖银行卡]
      quiet: [买卖]
  - id: t.code
    effective_from: 2020-01-01
    severity: P2
    action: warn
    department: fraud_risk
    reason: credential
    when: pii.otp
    template: caution
    source: the test
    tests:
      fire: [{text: x, facts: {pii.otp: true}}]
      quiet: [x]
"""


def engine_of(folder: Path, text: str = RULES, **options: object) -> RuleEngine:
    """An engine over one file of rules in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.yaml").write_text(dedent(text), encoding="utf-8")
    return RuleEngine(load_rules(folder, today=date(2026, 11, 23)), **options)  # type: ignore[arg-type]


def approve_all(engine: RuleEngine, folder: Path) -> None:
    """Have two people approve an engine's rules."""
    rules, now = engine.rules.to_approve(), datetime(2026, 11, 23, tzinfo=UTC)
    approvals.propose(folder, rules, "lin", now)
    approvals.approve(folder, rules, "mo", now)


def safeguards(folder: Path, clock: Clock = utc_now, text: str = RULES) -> Safeguards:
    metrics = Metrics()
    rules = engine_of(folder, text)
    return Safeguards(TextMasker(), rules, Meter(metrics, lambda _: False), metrics, clock)
