"""Is a message a request for a person? 「转人工」 and its many ways, in Chinese and English.

It must not be taken for one when somebody asks about people at the bank (人工客服几点上班), about what Teller
is (你是人工吗), or speaks of people otherwise (人工智能, "someone told me to call an agent"): those are
questions for the knowledge.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["asks_for_person"]

LONGEST = 400
"""Characters at the beginning of a message that are looked at."""

_SIMPLE = str.maketrans(
    "轉請幫繫聯個專員經來機時間嗎麼說話談聽讓給從裡們這誰換應務幾點電號碼費櫃臺審覈處長為對騙業線壹別",
    "转请帮系联个专员经来机时间吗么说话谈听让给从里们这谁换应务几点电号码费柜台审核处长为对骗业线一别",
)
_GAPS = re.compile(r"[\s,.!?;:，。！？；：、~～…'\"“”‘’()（）\-—_*#@/]+")
_HAN = re.compile(r"[\u4e00-\u9fff]")


def asks_for_person(text: str) -> bool:
    """Whether the customer wants to be put through to a person, now and here."""
    text = unicodedata.normalize("NFKC", text[:LONGEST]).lower().translate(_SIMPLE)
    if _HAN.search(text):
        return _asks_in_chinese(_GAPS.sub("", text)) or (len(text) < 60 and _asks_in_english(text))
    return _asks_in_english(text) or _PINYIN.fullmatch(_GAPS.sub("", text)) is not None


# ── Chinese ──────────────────────────────────────────────────────────────────────────────────────

# Followed by these, 人工 or 客服 is part of something else.
_ELSE = (
    "(?!智能|智慧|费|成本|审|核|复核|处理|窗口|柜台|柜面|操作|确认|干预|录入|填写|电话|热线|号码"
    "|时间|几点|工资|"
    "授精|受孕|流产|降雨|湖|岛|骨|关节|台账|转账|费用|办理|开户|说|让|告诉|打来|叫我|要我|发来"
    "|给我发|问我|上班|"
    "下班|工号|态度|是不是真|的电话|的微信|微信)"
)
_WHO = (
    "(?:(?:在线|线上)?(?:人工|仁工|人功|人公|真人|活人|真的人|真实的人)(?:在线)?(?:客服|服务|坐席"
    "|座席|专员|台|咨询|接听|接待|帮助|支持)?(?:人员)?"
    "|(?:在线|人类|线上)?客服(?:人员|专员|小姐姐|小姐|小哥|代表|主管|经理)?|客户经理|坐席|座席|专员"
    "|柜员|接线员|工作人员"
    "|(?:真正的)?人类|活的人|humanagent|human|agent|rengong|operator)" + _ELSE
)
_BOSS = "(?:经理|主管|领导|负责人|值班经理|上级)"
_FILL = (
    "(?:一下|下|一?个|一?位|到|给|去|至|为|成|你们?|你家|的|我|我们|银行|澜湾|贵行|这边|过|来|找"
    "|那个|能|懂的|上)*"
)
_POLITE = (
    "(?:请|您好|你好|hi|hello|麻烦|帮我|帮忙|给我|我|要|想|直接|快|快点|赶紧|马上|立刻|现在|谢谢"
    "|多谢|吧|啊|呀|呢|哈|了|一下|可以吗|行吗|好吗|行不行|唔该)*"
)

_BARE = re.compile(
    _POLITE + "(?:(?:人工|真人|活人|仁工|人功|人工在线)(?:客服|服务|坐席|座席|咨询|台)?|客服(?:人员)?"
    "|(?:人工){2,3}|human|agent)" + _POLITE
)
_SWITCH = re.compile("(?:转接?|接通?|换|切换?|呼叫|召唤|接入|连线|连接|连)" + _FILL + _WHO)
_SWITCH_TURNED = re.compile("(?:把我|给我|帮我|请).{0,4}(?:转|接|换).{0,3}(?:人工|真人|客服)" + _ELSE)
_CALL = re.compile(
    "(?:叫|喊|派|安排|联系|联络|找|要|要找|想找|需要|想要|想找|来|有请|申请|求|帮我叫|请)" + _FILL + _WHO
)
_CALL_SOMEBODY = re.compile(
    "(?:叫|喊|派|安排|找|来|换)(?:一?个|一?位|你们?的?|你家的?)*(?:(?:真|活)?人|" + _BOSS + ")"
    "(?:来|跟我|和我|给我|帮我|处理|说|谈|聊|回复|回答|解答|解决|接|出来|管|听|过来|吧|$)+"
)
_TALK = re.compile(
    "(?:想|要|让我|能|可以|请|希望|需要|得|跟|和)(?:直接|自己|再|先)*(?:跟|和|同|与|找)?"
    + _FILL
    + "(?:(?<!器)人|真人|活人|人类|人工|客服|客服人员|人工客服|工作人员|专员|员工|经理|真的人)"
    "(?:来)?(?:说话|说|聊|讲|谈|沟通|对话|通话|交流)(?!过|了)"
)
_STAFF_ACTS = re.compile(
    "(?:由|让|请|叫|希望)"
    + _FILL
    + "(?:工作人员|专员|人工|真人|客服)(?:来)?(?:为我|帮我|给我|跟我|联系我|处理|解决|回复|来(?!电|信|银))"
    "|(?:麻烦|请求?|需要|要求|申请)(?:人工|真人)(?:处理|介入|接手|解决)(?!吗|的|时|费)"
)
_NO_ROBOT = re.compile(
    "(?:不要|不想|别|拒绝|讨厌|受够了?|懒得)(?:再|让|用|给我|和|跟|同|与|你这个?|这个?"
    "|一个)*(?:机器人|机器|ai|人工智能|电脑)"
)
_ANYBODY = re.compile(
    _POLITE
    + "(?:这里|这边|你们|那边|现在)*(?:有没有|有|能不能有)(?:一?个|在线的?)*"
    + _WHO
    + "(?:在线|在|值班|能帮我|帮我|服务)*(?:吗|么|嘛|没有|没|不|吧)?"
    + _POLITE
)
_TRAILING = re.compile(_POLITE + _WHO + "(?:有吗|有没有|在吗|在不在|呢|在哪|在哪里|在哪儿|来)" + _POLITE)

_NOT = re.compile(
    "(?:不用|不要|不需要|无需|不必|别|先别|暂时不|先不|没必要|不想)(?:再|给我|帮我|着急|急着"
    "|去)*(?:转|接|找|叫|联系|要)?(?:到|给|接)?(?:人工|真人|客服)"
    "|(?:你|您|对面|这|屏幕).{0,4}(?:是|到底)(?:不是)?(?:真人|人工|活人|人工客服|真的客服|真人客服)"
    "|是(?:真人|人工|活人)(?:还是|吗|么|嘛)|(?:真人|人工客服|人工)还是|还是(?:人工|真人)"
    "|(?:他|她|它|对方|骗子|有人|陌生人|短信|邮件|电话里|群里|网上|那边|冒充|自称|假|假冒|朋友"
    "|家人).{0,8}(?:转|联系|找|叫|要).{0,3}(?:人工|客服|专员|工作人员)"
    "|(?:自称|冒充|假冒|假的?|接到|收到).{0,8}(?:客服|专员|工作人员|经理)"
    "|(?:几点|什么时候|什么时间|啥时候|多久|多长时间|上班|下班|工作时间|服务时间|营业|时间是|24小时"
    "|二十四小时|周末|节假日|排队|要等|等了|收费|多少钱|要钱|费用)"
    "|(?:按几|拨几|按哪个|打什么|拨什么|哪个键|哪个电话|什么电话|什么号|电话是|电话多少|号码|热线"
    "|打电话|拨打|电话怎么|电话里?怎么)"
    "|(?:投诉|举报|表扬|骂|评价|感谢)(?:你们?的?|一下|那个|这个)*(?:人工|客服|工作人员|客户经理|专员|经理)"
    "|(?:昨天|上次|上周|之前|以前|前天|曾经|已经|刚刚?).{0,6}(?:找|联系|问|打|转|叫|要)(?:了|过)"
    "|(?:是什么|什么意思|是啥|啥意思|的区别|区别是|上门|住院|病人)"
)
"""Questions about people and not for one, refusals, and what others said."""
_QUESTION = re.compile(
    "怎么|怎样|如何|为什么|为啥|能办|可以办|能查|可以改|能不能改|可以查|多少|哪些|什么|是不是|会不会|吗"
)
_WISH = re.compile("^(?:可以|可不可以|能|能不能|能否|是否可以|可否|怎么|怎样|如何|请问|我要怎么|我想问)+")
_ASIDE = re.compile("^(?:聊聊|聊|说说|说|谈谈|问问)+|(?:怎么(?:联系|办|找|弄|操作))?(?:吗|呢|啊|呀|吧)?$")
REST = 10
"""Characters besides a weaker request, with which it still is what the message is about."""


def _asks_in_chinese(text: str) -> bool:
    if _BARE.fullmatch(text) or _NO_ROBOT.search(text):
        return True
    if _NOT.search(text):
        return False
    if _SWITCH.search(text) or _SWITCH_TURNED.search(text) or _CALL_SOMEBODY.search(text):
        return True
    if _TALK.search(text) or _STAFF_ACTS.search(text):
        return True
    if _ANYBODY.fullmatch(text) or _TRAILING.fullmatch(text):
        return True
    match = _CALL.search(text)
    if match is None:
        return False
    # "找客服可以改手机号吗" asks what staff can do; "能帮我找个客服吗" asks for them.
    rest = _WISH.sub("", text[: match.start()]) + _ASIDE.sub("", text[match.end() :])
    return len(rest) <= REST and _QUESTION.search(rest) is None


_PINYIN = re.compile(r"(?:zhuan|wo ?yao|zhao)?(?:rengong|ren gong|zhenren|kefu|rengongkefu)(?:kefu|fuwu)?")

# ── English ──────────────────────────────────────────────────────────────────────────────────────

_EN_WHO = (
    r"(?:(?:an?|the|some|your|any|one of your|another|with|to|real|actual|live|human|proper|bank"
    r"|support|service|customer"
    r"|hum[ae][nm])\s+)*"
    r"(?:person|human(?:\s+(?:being|support|help))?|hum[ae][nm]|people|agent|representative|rep"
    r"|operator|advis[eo]r|staff(?:\s+member)?"
    r"|member\s+of\s+(?:your\s+)?staff|employee|manager|supervisor|customer\s+(?:service|support"
    r"|care)|support\s+team|"
    r"human\s+support|live\s+chat|live\s+support|colleague|banker|teller)\b(?!\s+(?:error|resources"
    r"|rights|hours|number|fee|commission))"
)
_EN_ANYONE = r"(?:someone|somebody|a\s+person|anyone|an?\s+actual\s+person|" + _EN_WHO + ")"
_EN_ASK = re.compile(
    r"(?<!\bmy )(?<!\bthis )(?<!\bthe )\b(?:speak|talk|chat|spk)\s+(?:to|with)\s+"
    + _EN_ANYONE
    + r"|\b(?:transfer|connect|switch|pass|put|forward|hand|escalate|move|redirect)\s+(?:(?:me|us|this"
    r"|it|my case|the chat)\s+)?(?:through\s+|over\s+|on\s+|up\s+)?(?:to|with)\s+"
    + _EN_WHO
    + r"|\b(?:get|give|find|fetch|bring|reach|contact|need|want|like|prefer|have|request"
    r"|require)\s+(?:me\s+|for\s+|in\s+)?"
    + _EN_WHO
    + r"|\b(?:no\s+more|stop|sick\s+of|tired\s+of|hate|(?:don'?t|do\s+not)\s+want(?:\s+to\s+(?:talk"
    r"|speak|chat)\s+(?:to|with))?)\s+(?:this\s+|these\s+|talking\s+to\s+|a\s+|an?\s+|the\s+)*(?:ro)?bots?\b"
    + r"|\b(?:ro)?bots?\b.{0,12}\bwant\b.{0,6}\bhuman"
    + r"|\bis\s+(?:there\s+)?(?:an?|any)\s*(?:real|live|actual|human)?\s*(?:one|body|person|human"
    r"|agent|representative)\s+(?:there|here|available|around|online)\b"
    + r"|\b(?:staff|person|human|agent|somebody|someone)\s+(?:to\s+)?(?:take\s+over|help\s+me\s+instead)\b"
    + r"|\b(?:can|could|may)\s+an?\s+(?:real\s+|live\s+)?(?:human|person|agent)\s+help\s+me\b"
    + r"|\bget\s+me\s+(?:someone|somebody)\b|\bput\s+me\s+in\s+touch\s+with\s+"
    + _EN_WHO
    + r"|\bhuman\s+(?:please|now)\b|\bhand\s*over\s+to\s+(?:an?\s+)?(?:human|person|agent)"
)
_EN_BARE = re.compile(
    r"(?:please|hi|hello|ok|i\s+said|just|now|a|an|the|no|real|live|human|humam|\s)*"
    r"(?:human|agent|live\s+agent|operator|representative|rep|real\s+person|person|humam"
    r"|customer\s+(?:service|support|care)|support|live\s+chat(?:\s+with\s+staff)?)"
    r"(?:please|now|pls|plz|support|customer\s+service|customer\s+support|agent|service|thanks"
    r"|thank\s+you|\s|[!.?])*"
)
_EN_NOT = re.compile(
    r"\b(?:hours?|opening|open|close|what\s+time|when\s+(?:are|do|does|can|is|will)|how\s+long|queue"
    r"|waiting\s+time|wait\s+time|"
    r"weekends?|holidays?|24/7|cost|charge|fee|fees)\b"
    r"|\b(?:phone|telephone|hotline|press|dial|ring|key)\b|\bnumber\b(?!\s+\d)"
    r"|\b(?:are|r)\s+(?:you|u)\b|\bam\s+i\s+(?:talking|speaking|chatting)\b"
    r"|\bis\s+this\s+(?:an?\s+)?(?:real|human|bot|person|automated|chat)\b"
    r"|\b(?:don'?t|do\s+not|doesn'?t|no)\s+(?:need|want|wish|have)\s+(?:to\s+(?:speak|talk"
    r"|chat)\s+(?:to|with)\s+)?(?:an?\s+|any\s+|the\s+|your\s+)?"
    r"(?:real\s+|live\s+|human\s+)*(?:human|person|agent|representative|operator|staff|advis[eo]r"
    r"|anyone|somebody|someone|customer\s+service)"
    r"|\bnot\s+(?:an?\s+)?(?:human|agent)\b|\bno\s+need\b"
    r"|\b(?:told|asked|asks|asking|tells|said|says|wants|wanted|instructed)\s+(?:me|us|him|her|them"
    r"|my\s+\w+)\b"
    r"|\b(?:fake|scam|scammer|fraudulent|impersonat\w+|claim\w*\s+to\s+be|pretend\w*|caller|called\s+me)\b"
    r"|\b(?:estate|travel|insurance|buying|collection|debt|letting|escrow|listing|third.party"
    r"|signing|securities|tax|fund|wealth|relationship\s+)\s*"
    r"(?:agent|representative|manager|advis[eo]r)|\bmanager\s+fee|\bcomplain\w*\s+about\b|\brude\b"
    r"|\b(?:give|add|lend|tell|show|pay|send|transfer)\s+(?:\w+\s+){1,4}(?:to|for)\s+(?:an?\s+"
    r"|the\s+|another\s+|some)\s*(?:person|people|employee|manager|one)\b"
    r"|\banother\s+person\b|\bother\s+(?:person|people)\b|\bdifference\b|\bwhat\s+(?:is|does)\s+an?\b"
)


def _asks_in_english(text: str) -> bool:
    text = re.sub(r"[’‘]", "'", text).replace("w/", "with")
    if _EN_BARE.fullmatch(text.strip()):
        return True
    if (
        re.search(r"\b(?:ro)?bots?\b", text)
        and _EN_ASK.search(text)
        and not re.search(r"\bare\s+you\b|\bam\s+i\b", text)
    ):
        return True
    return _EN_NOT.search(text) is None and _EN_ASK.search(text) is not None
