"""Who asks for a person gets one; who asks about people doesn't."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.tickets.request import asks_for_person

ROOT = Path(__file__).parents[3]
WANTED = [
    "转接柜员",
    "麻烦人工处理一下",
    "can a human help me",
    "could you please put me in touch with an adviser",
    "转人工",
    "人工",
    "转人工！",
    "人工客服",
    "我要转人工",
    "帮我转人工客服",
    "请转接人工服务",
    "找真人",
    "我要找人工客服",
    "能不能转人工",
    "可以转人工吗",
    "怎么转人工",
    "轉人工",
    "幫我轉真人客服",
    "我不想跟机器人说话",
    "叫个活人来",
    "能不能找个真人客服聊聊，你听不懂我的问题",
    "转仁工",
    "麻烦帮我接通一位客服专员，谢谢",
    "我要真人客服，唔該轉接",
    "找个活人跟我说",
    "你答非所问，我要真人客服",
    "希望由工作人员来为我处理",
    "我要 human agent",
    "转human",
    "有人工在线吗",
    "有没有人工客服",
    "我想跟客服人员说话",
    "别再让机器人回复我了",
    "联系在线人工客服",
    "叫你们经理来",
    "人工人工人工",
    "转 人 工",
    "转，人，工",
    "客服呢",
    "给我转客服",
    "我要和真人沟通",
    "我要找客户经理",
    "换个人来跟我说",
    "请安排工作人员联系我",
    "rengong",
    "zhuan rengong",
    "human",
    "agent please",
    "talk to a human",
    "I want to speak to a real person",
    "can I talk to someone?",
    "connect me to an agent",
    "transfer me to customer service",
    "I need a human",
    "get me a real person",
    "real person please",
    "operator",
    "live agent",
    "I don't want to talk to a robot",
    "You keep missing my point, I want to speak to someone",
    "How do I speak to a person?",
    "put me through to a representative",
    "let me talk to your manager",
    "My case is complicated; I would like a member of staff to take over.",
    "is there a real person here?",
    "humam support please",
    "switch to human support",
    "human customer service",
    "Can I speak with a representative?",
    "can I chat with someone on your staff instead, you're not getting my question",
]
NOT_WANTED = [
    "我跟客服沟通过了还是没解决",
    "需要人工处理吗",
    "do I need a representative to open a company account",
    "人工客服几点上班",
    "人工客服电话是多少",
    "人工智能是什么",
    "你是人工智能吗",
    "你是人工吗",
    "你是真人吗",
    "是人工还是机器人",
    "请问你是人工客服吗",
    "人工客服24小时都在吗",
    "周末有人工客服吗",
    "转人工要排队多久",
    "不用转人工",
    "先别转人工，我再问一下",
    "我不需要人工客服",
    "人工柜台转账收费吗",
    "需要人工审核吗",
    "人工费怎么算",
    "贷款审批是人工还是系统",
    "客服电话",
    "客服热线是多少",
    "打电话怎么转人工",
    "热线按几转人工",
    "我要投诉客服",
    "投诉工作人员态度不好",
    "有人自称客服让我转账",
    "对方让我联系客服退款",
    "骗子叫我找客服专员办理退款",
    "接到客服电话说我中奖了",
    "短信让我联系人工客服解冻账户",
    "怎么转账给别人",
    "转账要人脸识别吗",
    "我想给家人转钱",
    "换卡要多久",
    "我要换手机号",
    "叫我爸来办可以吗",
    "找不到网点",
    "客户经理是什么",
    "昨天找了客服也没解决转账问题怎么办",
    "客服后台看得到我发的内容不",
    "找人代办开户可以吗",
    "请别人代还信用卡行吗",
    "接收人工号填错了",
    "工资代发怎么办",
    "外国人工资换成外币汇回国",
    "人工窗口转钱要身分证不",
    "what are the human agent hours",
    "are you human",
    "are you a real person",
    "am I talking to a human",
    "is this a bot",
    "what is your phone number",
    "customer service number",
    "how do I call customer service",
    "is the hotline open 24 hours?",
    "when are human agents available",
    "how long is the wait to talk to an agent",
    "I don't need a human",
    "no need to transfer me to an agent",
    "someone told me to talk to a customer service agent and pay",
    "an agent called me about my account",
    "human resources",
    "what is a real estate agent commission loan",
    "I want to transfer money to a person abroad",
    "can I give my card to another person",
    "transfer to someone else's account",
    "I need to add a person to my account",
    "how do I contact the branch",
    "someone pretending to be a bank employee wants me to transfer money",
    "phone number of the human service",
    "I want to complain about an agent",
    "can my son complain for me",
    "人工客服是24小时的吗",
    "我的客户经理换人了吗",
    "让客服人员介绍的理财能买吗",
    "工作人员说利率是3%对吗",
]


@pytest.mark.parametrize("text", WANTED)
def test_a_request_for_a_person_is_understood(text: str) -> None:
    assert asks_for_person(text)


@pytest.mark.parametrize("text", NOT_WANTED)
def test_a_question_about_people_is_no_request_for_one(text: str) -> None:
    assert not asks_for_person(text)


def test_no_other_question_of_the_knowledge_is_taken_for_a_request() -> None:
    allowed = {"太气人了，我要找你们领导"}  # wants a person indeed
    taken = set()
    for path in (ROOT / "config" / "knowledge" / "entries").glob("*.yaml"):
        for entry in yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)["entries"]:
            if entry["id"] == "complaints.human":
                continue
            for language in ("zh", "en"):
                words = entry.get(language, {})
                asked = [words.get("question", ""), *words.get("paraphrases", [])]
                taken |= {text for text in asked if asks_for_person(text)}
    assert taken <= allowed


@given(st.text(max_size=300))
def test_any_text_is_judged(text: str) -> None:
    assert asks_for_person(text) in (True, False)
