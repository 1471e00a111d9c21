"""What a customer wants of this part, told from the words.

Deliberately narrow: a question *about* tests, levels or products belongs to the knowledge, and only
who wants to take the test, be shown products or buy one is answered here.
"""

from __future__ import annotations

import re

from bot.suitability.folding import plain

__all__ = [
    "asks_coaching",
    "asks_meaning",
    "for_another",
    "wants_change",
    "wants_on",
    "wants_out",
    "wants_product",
    "wants_restart",
    "wants_test",
    "wants_to_buy",
]

SHORT = 60
"""Characters of a message that is a wish and nothing besides."""
_LONGEST = 300
"""Characters that are looked at for coaching; a message that asks for it is short."""
_END = r"[\s吧呀啊呢哦了。．.！!~～]*"
_POLITE = r"(?:你好|您好|hi|hello|请问|请|麻烦)?[\s,，。!！]*(?:请|麻烦)?"
_TEST = (
    r"(?:理财|投资|产品)?的?(?:风险(?:承受能力|偏好|等级|能力)?(?:的)?(?:测评|评估|评测|测试|问卷|预估|"
    r"评级)|风评|"
    r"适当性(?:测评|评估)|预估)"
)
_START_ZH = re.compile(
    rf"{_POLITE}(?:我)?(?:想要?|要|需要|打算|先)?(?:给我|帮我|给我自己|为自己)?(?:重新|再)?(?:去)?"
    rf"(?:做|开始|进行|测|来|接受|参加|填)?(?:一下|一?[次个份遍])?(?:我的|自己的|本人的)?{_TEST}(?:一下|"
    rf"一?[次遍])?{_END}"
    r"|"
    rf"{_POLITE}(?:帮我)?(?:测|评估|评|看)(?:一下|测|一测)?(?:我的|我能承受多大的?|"
    rf"我是什么)?风险(?:承受能力|等级|偏好)?(?:类型)?{_END}",
    re.I,
)
_START_EN = re.compile(
    r"(?:hi|hello)?[\s,]*(?:please|i(?:'d| would) like to|i want to|i need to|let me|let's)?\s*"
    r"(?:(?:re)?take|start|begin|do|redo|run)?\s*(?:the|a|my|another)?\s*"
    r"(?:(?:investment |wealth )?risk (?:tolerance |capacity |profile )?(?:test|assessment|"
    r"questionnaire|pre-?screen|survey)"
    r"|suitability (?:test|assessment|questionnaire|pre-?screen)|assess my risk (?:tolerance|capacity|"
    r"profile|level))"
    r"\s*(?:again|now|here|please)?\s*[.!]*",
    re.I,
)
_THINGS = r"(?:理财|产品|基金|存款|投资|存单|国债|债券|黄金|保险|定期)"
_QUESTION_ABOUT = re.compile(
    r"(?:怎么|如何|怎样|哪里|在哪|几点|多久|为什么|为啥|什么意思|是什么|区别|规定|限制|手续|条件|流程|"
    r"步骤|费用|手续费|"
    r"多少钱|起购|起点|截止|赎回|撤销|撤单|到账|亏|可靠|合法|骗|真的假的|靠谱|诈骗|推荐码|推荐人|"
    r"推荐有礼|推荐奖|"
    r"推荐办卡|C[1-5]|R[1-5]|等级|双录|联名|老人|老年|支持|售罄|预约|工作人员|客户经理|理财经理|有人|"
    r"朋友|群里|老师|别人|利息|利率|贷|炒股|买房)",
    re.I,
)
_PRODUCT_ZH = re.compile(
    rf"(?:推荐|介绍)(?:一下|下|几[款个种只]|一?[款个种只些点]|点儿)?.{{0,20}}{_THINGS}"
    rf"|{_THINGS}(?:产品)?(?:有没有|有什么|有啥)?(?:推荐|适合我的)"
    rf"|(?:我|像我这样)(?:现在)?(?:能|可以|适合|该|应该)(?:买|存|投)(?:什么|哪些|哪种|哪款|啥|"
    rf"哪个).{{0,8}}{_THINGS}?"
    rf"|(?:买|存|投)(?:什么|哪款|哪种|哪个|啥)(?:样的)?.{{0,4}}{_THINGS}(?:好|合适|比较好|划算)"
    rf"|(?:有什么|有没有|有啥|有哪些)(?:比较)?(?:适合|合适).{{0,24}}{_THINGS}"
    rf"|(?:适合我的?|适合我这种人的){_THINGS}"
    r"|(?:钱|万|元|块).{0,16}(?:买什么|买啥|怎么理财|放哪|存哪|放在哪|怎么打理|投什么)(?:好|合适|比较好)?"
    r"|(?:钱|万|元|块).{0,16}(?:买点?|做点?|存点?)(?:什么|啥)(?:好|合适|比较好)",
    re.I,
)
_PRODUCT_EN = re.compile(
    r"\b(?:recommend|suggest)\b.{0,40}\b(?:products?|funds?|investments?|deposits?|something|savings?|"
    r"bonds?|wealth|options?)\b"
    r"|\bwhat (?:(?:wealth |investment )?products?|funds?|investments?) (?:can|could|should|"
    r"may) i (?:buy|get|invest)"
    r"|\bwhat (?:can|could|should) i (?:buy|invest in)\s*[?.!]*$"
    r"|\bwhere (?:should|could|can) i (?:put|invest|park) (?:my|this|the|some)?\s*(?:money|savings|cash|"
    r"[$\d][\w,.]+)"
    r"|\b(?:products?|funds?|investments?) (?:that )?(?:suits?|fits?|(?:are |is )?(?:right|suitable|"
    r"good) for) me\b"
    r"|\b(?:any|some) (?:good |suitable )?(?:wealth )?(?:products?|investments?) for (?:me|my)\b",
    re.I,
)
_ABOUT_EN = re.compile(
    r"\bhow (?:do|does|to|long|many|much)\b|\bwhy\b|\bwhat is\b|\bscam\b|\breferral\b|\b[cr][1-5]\b|"
    r"\bsomeone\b|\bfriend\b|\bgroup\b|\badviser told\b",
    re.I,
)
_BUY = re.compile(
    r"(?:想|要|准备|打算|帮我|给我|替我|我来|可以|能)(?:再|也|去)?(?:买|申购|认购|购买|投|入手)|^(?:买|"
    r"申购|认购|购买)|"
    r"(?:推荐|介绍)(?:一下|下)?|了解(?:一下|下)?|"
    r"\b(?:buy|purchase|invest in|subscribe to|put .{1,20} (?:in|into)|tell me about|show me|"
    r"interested in|get into)\b",
    re.I,
)
_NO_BUY = re.compile(
    r"(?:不想|不要|没想|别|不打算|不会)(?:再|去)?(?:买|申购|认购|购买)|怎么|如何|哪里|几点|为什么|多久|"
    r"撤|赎|卖|退|"
    r"刚买|买了|买过|买错|吗|么|不$|风险|\b(?:don't|not|sold|sell|bought|redeem|cancel|how|why|when)\b",
    re.I,
)

_LEVEL = (
    r"(?:[cr]\s*[2-5](?![0-9])|高(?:一点|一些|些)?的?(?:等级|级别|级|档|风险|分)|(?:等级|评级|级别|"
    r"分数?)(?:高|调高|提高|往高)|进取|成长型|激进|"
    r"平衡型|积极型|最高|满分|通过|能买|买到|买得了|稳健型|保守型|aggressive|growth|balanced|higher level|"
    r"high score|top level|pass (?:the|this|a) (?:risk|suitability) )"
)
_ANSWERS = r"(?:选|答|填|勾|写|回答|作答|answer|choose|pick|select|tick|fill)"
_GRADE = r"(?:[cr]\s*[1-5](?![0-9])|风险(?:承受能力)?(?:等级|评级|级别)|测评(?:结果|等级))"
_FOR_ME = r"(?:给|帮|替|为)我"
_COACH_TOPIC = re.compile(
    rf"(?:怎么|如何|怎样|哪个|哪些|哪一?项|什么|啥|what|which|how).{{0,14}}{_ANSWERS}.{{0,40}}{_LEVEL}"
    rf"|{_ANSWERS}.{{0,6}}(?:哪个|哪些|哪一?项|什么|啥|几|which|what).{{0,20}}{_LEVEL}"
    rf"|{_LEVEL}.{{0,20}}(?:怎么|如何|怎样|该|要|应该|should|how|what).{{0,8}}{_ANSWERS}"
    rf"|(?:怎么|如何|怎样|how (?:do|can|to)).{{0,16}}(?:测|评|做|get|reach|become|be rated|"
    rf"score).{{0,8}}(?:到|成|出|as|a)?.{{0,6}}{_LEVEL}(?!.{{0,6}}(?:是什么|什么意思|区别))"
    rf"|(?:教我|告诉我|给我|tell me|teach me|give me|help me).{{0,12}}(?:测评|问卷|风评|评估|test|"
    rf"questionnaire|assessment|survey).{{0,8}}(?:答案|怎么答|怎么选|怎么填|answers?|to pass|right)"
    r"|(?:测评|问卷|风评|风险评估).{0,8}(?:标准答案|答案是|参考答案|答题技巧|攻略|怎么答才|怎么选才|怎么填才)"
    r"|(?:各|每(?:道|一|个)?)题的?(?:分值|(?:是|占|有|算)?(?:多少|几)分(?!钟))"
    r"|(?:answers?|answer key).{0,24}(?:risk|suitability) (?:test|assessment|questionnaire)"
    r"|(?:把|将).{0,10}(?:等级|评级|测评结果|答案).{0,6}(?:改成|调成|做成|弄成|改到|调到|提到|改高|调高)"
    rf"|{_GRADE}.{{0,16}}{_FOR_ME}.{{0,4}}(?:改|调(?!整后)|升(?!级版)|弄|提(?:高|升|到))"
    rf"|{_FOR_ME}.{{0,6}}(?:改|调|升|弄|提(?:高|升)?)(?:成|到|为|至|高).{{0,4}}{_GRADE}"
    rf"|(?:假装|装作|就当|权当|当作|当成|视为|算作|冒充).{{0,4}}我?.{{0,4}}{_GRADE}"
    rf"|(?:就?按|照)(?:照)?{_GRADE}(?:的?标准|等级|级别)?(?:来)?给我(?:推荐|介绍|买)"
    r"|(?:教我|告诉我|教教我|教一下我).{0,6}(?:混|通|蒙)?过(?![期程去敏]).{0,6}(?:测评|问卷|风评|评估)"
    r"|(?:帮我|教我|怎么|如何|怎样).{0,4}(?:混过|蒙过|应付|糊弄|骗过|绕过).{0,6}(?:测评|问卷|风评|评估)"
    r"|\b(?:(?:pretend|act as if|just say|assume) (?:that )?i(?:'m| am)|"
    r"(?:treat|rate|mark|set) me (?:as|to|at))"
    r" (?:an? )?(?:[cr]\s?[1-5]\b|aggressive|growth)",
    re.I,
)
_TOLD = re.compile(
    r"(?:经理|人员|销售|柜员|别人|有人|他们|朋友)(?:们)?(?:让|教|叫|要|帮|替)|\b(?:told|asked|taught|"
    r"wants?) me\b|"
    r"(?:可以|行|对|合法|合规|违规|允许)(?:吗|么|不)|投诉|举报",
    re.I,
)
"""Someone reports that others coached them, or asks whether that is right."""
_COACH_HERE = re.compile(
    r"(?:选|答|填|勾)(?:哪|什么|啥|几)(?:个|一?项|一?个)?|(?:哪|那)(?:个|一?项|一个)(?:比较)?(?:好|合适|"
    r"分高|分数高|得分|更高|对)|"
    r"(?:该|应该|要|得)(?:怎么)?(?:选|答|填)|(?:帮|替)我?(?:选|答|填|作答|回答|做)|你(?:来|帮我)?(?:选|"
    r"定|决定)|随便(?:帮我)?(?:选|填)|"
    r"(?:多少|几)分|加分|扣分|分数?(?:会|能)?(?:更|比较|最)?高(?!风险)|等级(?:会|能)?(?:更|变)高|正确答案|标准答案|怎么(?:选|答|填)|分值|"
    r"\b(?:which|what) (?:one |option |answer )?(?:should|do|shall|would) (?:i|you)\b|\bwhich (?:one |"
    r"answer |option )?is (?:better|best|right|correct)|"
    r"\b(?:right|correct|best) answer\b|\bhow many points|\bscores? (?:more|most|higher|highest)|"
    r"\b(?:choose|pick|answer|decide|fill(?: it)?(?: in| out)?) (?:it )?for me\b|"
    r"\bwhat should i (?:answer|choose|pick|say)\b",
    re.I,
)
_PERSON = (
    r"(?:我?(?:妈妈?|爸爸?|父亲|母亲|父母|老公|老婆|丈夫|妻子|爱人|爷爷|奶奶|外公|外婆|姥姥|姥爷|儿子|"
    r"女儿|孩子|朋友|同事|"
    r"客户|家人|老人|亲戚|哥哥?|姐姐?|弟弟?|妹妹?|岳父|岳母|公公|婆婆|对象|男朋友|女朋友)|别人|他人|他|她)"
)
_RELATIVE = (
    r"(?:my (?:mother|mum|mom|father|dad|parents?|wife|husband|son|daughter|friend|colleague|client|customer|"
    r"grandmother|grandfather|brother|sister|boss|partner)|someone else|somebody else|him|her|them|"
    r"another person)"
)
_OTHERS = re.compile(
    rf"(?:帮|替|给|代|为){_PERSON}(?:来|去)?(?:们|的)?.{{0,6}}(?:做|测|答|填|选|评|代答|作答)"
    rf"|{_PERSON}(?:让|叫|委托)我(?:帮|替|代).{{0,8}}(?:做|测|答|填|选)"
    r"|代(?:人|客户)(?:答|填|测|做)|代答|代填|代测|(?:帮|替|代)(?:他|她|人)(?:答|填|做|测)"
    rf"|\b(?:answer(?:ing)?|fill(?:ing)?|do(?:ing)?|tak(?:e|ing)|complet(?:e|ing)|choos(?:e|"
    rf"ing))\b.{{0,40}}\b(?:for|on behalf of)\b {_RELATIVE}"
    rf"|\b(?:this|it) is (?:for|about) {_RELATIVE}",
    re.I,
)
_ABOUT_TEST = re.compile(
    r"测评|风评|问卷|风险(?:承受|评估|测试|评级|等级)|适当性|\b(?:risk|suitability)\b.{0,20}\b(?:test|"
    r"assessment|questionnaire|"
    r"pre-?screen|survey|profile)\b|\bquestionnaire\b",
    re.I,
)
_OUT = re.compile(
    rf"{_POLITE}(?:算了[\s,，。]*)?(?:我)?(?:想|要)?(?:先)?(?:取消|退出|结束|停止|停|算了|不(?:想)?(?:测|做|答|填|继续)|"
    rf"不测|不做|不答)(?:了)?(?:这次|本次)?(?:测评|评估|测试|预估|答题)?{_END}"
    r"|(?:please )?(?:cancel|stop|quit|exit|end|never ?mind|forget it|no more)(?: (?:it|this|"
    r"the (?:test|assessment|questionnaire|pre-?screen)))?[\s.!]*(?:please)?",
    re.I,
)
_ON = re.compile(
    rf"{_POLITE}(?:我)?(?:想|要)?(?:继续|接着|往下|下一题|回到(?:测评|题目))(?:测评|答题|评估|测试|做|"
    rf"答|测)?{_END}"
    r"|(?:please )?(?:go on|continue|resume|carry on|next(?: question)?)(?: (?:with )?(?:it|the (?:test|"
    r"assessment)))?[\s.!]*",
    re.I,
)
_RESTART = re.compile(
    rf"{_POLITE}(?:我)?(?:想|要)?(?:重新(?:开始|测|做|答|来|测评|评估)|重做|重测|重来|从头(?:开始|来|"
    rf"再来))(?:一遍|一次|测评|评估)?{_END}"
    r"|(?:please )?(?:restart|start (?:over|again)|begin again|redo(?: it| the test)?|"
    r"from the beginning)[\s.!]*",
    re.I,
)
_CHANGE = re.compile(
    r"(?:改|修改|更改|换)(?:一下|掉)?(?:刚才|前面|上一?题|之前|第.{1,3}题)?的?(?:答案|选择|选项)|上一题|"
    r"返回上|"
    r"(?:选|点|答|填|按)错|撤回|"
    r"\b(?:change|correct|undo)\b.{0,20}\b(?:answer|choice)|\b(?:previous|last) question\b|\bgo back\b|"
    r"\bwrong (?:answer|button|one)\b",
    re.I,
)
_MEANING = re.compile(
    r"什么意思|啥意思|不明白|没明白|看不懂|没看懂|不懂|不理解|解释|怎么理解|这题|这个问题|"
    r"\bwhat does (?:this|that|it)\b|\bdon'?t understand\b|\bexplain\b|\bwhat do you mean\b|"
    r"\bnot clear\b|\bunclear\b",
    re.I,
)


def wants_test(text: str) -> bool:
    """Take the risk test, now."""
    return len(text) <= SHORT and bool(_START_ZH.fullmatch(text) or _START_EN.fullmatch(text))


def wants_product(text: str) -> bool:
    """Be shown products that fit."""
    if len(text) > _LONGEST:
        return False
    if _PRODUCT_ZH.search(text):
        return not _QUESTION_ABOUT.search(text)
    return bool(_PRODUCT_EN.search(text)) and not _ABOUT_EN.search(text)


def wants_to_buy(text: str) -> bool:
    """Buy, or be told about, a product (which one, the shelf knows)."""
    return len(text) <= 200 and bool(_BUY.search(text)) and not _NO_BUY.search(text)


def asks_coaching(text: str, *, in_test: bool) -> bool:
    """Be told which answers lead where; during a test, also to have an answer chosen."""
    text = plain(text[:_LONGEST])
    if not in_test and _TOLD.search(text):
        return False
    return bool(_COACH_TOPIC.search(text)) or (in_test and bool(_COACH_HERE.search(text)))


def for_another(text: str, *, in_test: bool) -> bool:
    """Answer the questionnaire for somebody else."""
    text = plain(text[:_LONGEST])
    return bool(_OTHERS.search(text)) and (in_test or bool(_ABOUT_TEST.search(text)))


def wants_out(text: str) -> bool:
    return len(text) <= SHORT and bool(_OUT.fullmatch(text))


def wants_on(text: str) -> bool:
    return len(text) <= SHORT and bool(_ON.fullmatch(text))


def wants_restart(text: str) -> bool:
    return len(text) <= SHORT and bool(_RESTART.fullmatch(text))


def wants_change(text: str) -> bool:
    """Change an answer already given."""
    return bool(_CHANGE.search(text[:_LONGEST]))


def asks_meaning(text: str) -> bool:
    """Have the question at hand explained."""
    return len(text) <= 40 and bool(_MEANING.search(text))
