"""A knowledge folder small enough to build in a test and confusable enough to be worth searching."""

from __future__ import annotations

from pathlib import Path

ENTRIES = """\
entries:
  - id: cards.credit.lost
    topic: cards
    facts: [card.fee]
    related: [cards.debit.lost]
    zh:
      question: 信用卡丢了怎么办？
      answer: 请马上在手机银行挂失信用卡，补卡收费15元。
      paraphrases: [信用卡不见了, 卡被偷了 是信用卡]
    en:
      question: What should I do if I lose my credit card?
      answer: Report the credit card lost in the app at once. A new card costs CNY 15.
      paraphrases: [my credit card is missing]
  - id: cards.debit.lost
    topic: cards
    zh:
      question: 借记卡丢了怎么办？
      answer: 请马上挂失借记卡，再到网点补办储蓄卡。
      paraphrases: [储蓄卡找不到了]
    en:
      question: What should I do if I lose my debit card?
      answer: Report the debit card lost, then get a new one at a branch.
  - id: loans.mortgage.apply
    topic: loans
    zh:
      question: 房贷怎么申请？
      answer: 带上购房合同、收入证明到网点申请住房按揭贷款。
    en:
      question: How do I apply for a mortgage?
      answer: Bring the purchase contract and proof of income to a branch.
  - id: loans.mortgage.prepay
    topic: loans
    zh:
      question: 房贷怎么提前还款？
      answer: 在手机银行预约提前归还房贷，最低1万元。
    en:
      question: How do I repay my mortgage early?
      answer: Book an early repayment of the mortgage in the app, at least CNY 10,000.
  - id: loans.consumer.prepay
    topic: loans
    zh:
      question: 消费贷可以提前还款吗？
      answer: 消费贷款随时可以提前还清，不收手续费。
    en:
      question: Can I repay a consumer loan early?
      answer: You may repay a consumer loan at any time without a fee.
  - id: general.weather
    topic: general
    zh:
      question: 你们有英文服务吗？
      answer: 有，英文客服全天在线。
"""

FACTS = """\
facts:
  card.fee: {value: 15, unit: CNY}
"""

DOCUMENT = """\
---
title: 收费表
topic: fees
---

# 收费表

## 境外汇款

境外电汇按金额的千分之一收取，最低50元。

## 账户管理

- 小额账户管理费：免收
- 短信通知费：每月2元
"""


def write_knowledge(
    folder: Path, *, entries: str = ENTRIES, facts: str = FACTS, document: str = DOCUMENT
) -> Path:
    for name, text in (
        ("entries/all.yaml", entries),
        ("facts/bank.yaml", facts),
        ("documents/fees.zh.md", document),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
