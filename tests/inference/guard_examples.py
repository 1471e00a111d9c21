"""Replies as a generator might write them: honest paraphrases of passages, and inventions."""

# ruff: noqa: E501 (tables of examples read best one a line)
from __future__ import annotations

__all__ = ["FLIPS", "INVENTIONS", "PARAPHRASES"]

PARAPHRASES: list[tuple[str, str]] = [
    ("cards.debit.activate", "新卡寄到后，您可以在手机银行里扫卡、刷脸并设好取款密码，马上启用。单位统一办的工资卡要本人带身份证去网点核实。"),
    ("loans.business.apply", "只要正常经营满12个月、按时纳税、企业和负责人征信良好就能申请，个体户也可以。资料齐全后，5个工作日内出结果。"),
    ("loans.mortgage.method_change", "可以，两种方式能互换，不过整个贷款期间只能改一次，是免费的。需要主借款人和共同借款人带身份证、收入证明到经办网点办理，五个工作日内审批。"),
    ("cards.credit.not_received", "卡片会在批准后七个工作日内寄到，快递单号可以在手机银行看。如果一直没收到，请打000-95501，我们作废后免费重寄。"),
    ("ebanking.token.pin_locked", "澜盾密码连错6次就锁死了，只能到网点解锁：请本人带身份证、银行卡和澜盾，柜台当场重置，不收费。"),
    ("loans.repay.debit_failed", "别担心，当天22:00前系统会多次扣款，还有3天宽限期。您先看看余额够不够、账户有没有被冻结，再到“立即还款”手动还。"),
    ("fx.swift_code", "我行的SWIFT码是LWANCNXX，所有网点都用这个，不用加分行后缀。"),
    ("security.code.disclosed", "请立刻在手机银行一键冻结，或打000-95501冻结账户。之后修改登录密码和交易密码，解绑不认识的设备；钱已被转走的马上打110报警。"),
    ("loans.consumer.use", "不能买房、炒股，也不能买理财基金。这笔钱只能用于日常消费，比如装修、旅游、教育。收到通知后30天内请上传发票或合同。"),
    ("accounts.lookup.opening_branch", "在手机银行“账户详情”里能看到开户行全称和联行号，可以一键复制；打000-95501或带身份证和卡到网点也能查。"),
    ("loans.overdue.now", "请尽快把欠款存进还款账户还清。还款日后三天是宽限期，这期间还清不算逾期，也没有罚息。有困难请联系客户经理商量延期。"),
    ("accounts.open.nonlocal", "可以的，不用回户籍地，带身份证在任一网点就能开户。网点可能要您提供劳动合同、居住证等一种说明，当天就能领卡。"),
    ("fx.remit.returned", "钱一般在对方银行退汇后10个工作日内退回您原来的外币账户，中间银行可能扣费，手续费和电报费不退。"),
    ("complaints.human", "回复“转人工”，我会马上把对话交给同事，您不用重说一遍。也可以打24小时客服热线000-95501。"),
    ("loans.mortgage.account_change", "在手机银行“我的房贷”里换成您本人的I类户就行，不收费，下一期起从新账户扣。最晚要在扣款日前一天办好。"),
    ("cards.debit.demagnetised", "先擦净芯片换一台机器试试。都读不出的话，请带身份证和卡到网点换卡，费用是10元，当场拿到。"),
    ("cards.credit.unfreeze", "If you locked the card yourself, switch it off under Lock card in mobile banking and pass the face check. If we restricted it, call 000-95501 and we will lift it after checking your identity."),
    ("transfers.payee_bank_info", "Usually not: once the card number is typed, the app recognises the bank. Only company accounts or the large-value channel need the exact branch."),
    ("fx.remit.returned", "The money returns to your original foreign currency account, usually within ten business days. Handling and cable fees aren't refunded."),
    ("loans.mortgage.change_day", "Yes. You can choose any day from the 1st to the 28th, once every 12 months, free of charge. The change applies from the next instalment."),
    ("loans.mortgage.change_term", "You can apply, but after an extension the whole term may not exceed thirty years. All borrowers apply at the branch with identity cards and proof of income; we decide within 5 business days."),
    ("ebanking.abroad", "Yes, you can sign in abroad as at home. Turn on roaming so that codes reach you, switch off VPN, and if you are blocked call +86 000 95501."),
    ("security.scam.loan_fee", "Yes, it is a scam: do not pay. If you already paid, call the police on 110 at once. We never charge a fee or deposit before paying out a loan."),
    ("cards.credit.autopay", "Open Credit cards > Autopay, link a Lanwan debit card and choose full balance or minimum payment. Keep enough money in the account by 17:00 on the due date."),
    ("cards.debit.damaged", "Bring your ID and the damaged card to any branch. A swap costs CNY 10 and is done on the spot; no loss report is needed."),
]  # fmt: skip
"""(passage id, a reply that says what the passage says)."""

INVENTIONS: list[tuple[str, str]] = [
    ("cards.debit.activate", "新卡需要先到派出所做指纹备案，再由居委会开具证明，银行主管批准之后才算正式启用。"),
    ("loans.business.apply", "只要老板在朋友圈转发我们的海报并集满点赞，就可以直接放款，征信花了也没关系。"),
    ("cards.credit.not_received", "卡片由机器人配送员送到您家门口，扫脸签收后赠送咖啡券和机场贵宾厅体验。"),
    ("ebanking.token.pin_locked", "请把澜盾放进冰箱冷冻一晚，第二天插上电脑就会自动恢复出厂设置。"),
    ("fx.swift_code", "我行的SWIFT码是BKCHCNBJ，各地分行还要再加后缀。"),
    ("security.code.disclosed", "没关系，验证码过期就失效了，您只需要重新安装游戏客户端，再联系对方退回礼品即可。"),
    ("loans.overdue.now", "您可以向亲戚朋友众筹，也可以把车抵押给典当行，我们合作的催收公司会上门帮您搬家。"),
    ("accounts.open.nonlocal", "请在开户当天穿正装并携带毕业证书、结婚照片和房产证原件，由公证处律师现场录像。"),
    ("complaints.human", "人工坐席目前都在度假，您可以关注我们的短视频账号给主播留言刷礼物插队。"),
    ("cards.debit.demagnetised", "您把磁条贴在冰箱门上吸一会儿，再用橡皮擦一擦，磁性就回来了，家用微波炉加热也可以。"),
    ("cards.credit.unfreeze", "Please mail the frozen plastic to our laboratory in Switzerland, where engineers thaw the chip with lasers and courier it home."),
    ("fx.remit.returned", "Your parcel was seized by customs officers, so hire a lawyer and pay the storage invoice with gift vouchers."),
    ("loans.mortgage.change_day", "Our astrologers recommend a lucky date matching your zodiac sign; sacrifice a chicken and email the photograph."),
    ("ebanking.abroad", "Install our partner casino application, invite three friends and unlock worldwide roaming with bitcoin mining rewards."),
    ("cards.debit.damaged", "Glue the pieces together with superglue, cover them in aluminium foil and the terminal magnetically recognises everything."),
]  # fmt: skip
"""(passage id, a reply that it doesn't bear out)."""

FLIPS: list[tuple[str, str]] = [
    ("借记卡挂失不收费，补卡每张10元。", "借记卡挂失收费，补卡每张10元。"),
    ("当天转账免费。", "当天转账要收费。"),
    ("已激活的卡不能退回。", "已激活的卡能退回。"),
    ("提前还款需要预约，至少提前15天。", "提前还款不需要预约。"),
    ("非工作时间可以挂失。扣款当天不能更换还款账户。", "扣款当天可以更换还款账户。"),
    ("我行员工不会索要验证码。", "我行员工会索要验证码。"),
    ("信用卡资金禁止用于购房。", "信用卡资金可以用于购房。"),
    ("手续费不退。", "手续费会退。"),
    ("Domestic transfers in the app are free of charge.", "Domestic transfers in the app are charged."),
    ("Cable fees are not refunded.", "Cable fees are refunded."),
    ("You can't change the repayment day while an instalment is overdue.", "You can change the repayment day while an instalment is overdue."),
    ("The token cannot be unlocked online.", "The token can be unlocked online."),
    ("Staff never ask for verification codes.", "Staff ask for verification codes."),
    ("You can cancel the order until 15:00.", "You cannot cancel the order until 15:00."),
]  # fmt: skip
"""(passage, the same with its sense turned round)."""
