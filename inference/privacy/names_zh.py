"""Chinese personal names, by what stands around them.

A name is a surname and one or two characters; nearly every surname is also a word, so a name is taken
only where the words before it or after it announce one, and not where a dictionary word stands there.
"""

# ruff: noqa: E501  (a pattern is read by its branches, and 汉字 count double)

from __future__ import annotations

import re
from collections.abc import Iterator

import jieba

from inference.privacy.fold import Folded
from inference.privacy.regions import CITIES, PROVINCES
from inference.privacy.span import Candidate
from inference.privacy.surnames import COMPOUND, GIVEN, SINGLE
from inference.privacy.words import word_list

__all__ = ["find_chinese_names"]

_RANK = 30
_HAN = "\u4e00-\u9fff"

_ROLE = (
    "姓名|户名|收款人|收款方|付款人|汇款人|收件人|寄件人|收货人|开户人|持卡人|账户名|账户持有人|联系人|受益人|投保人|被保险人|"
    "借款人|担保人|共同借款人|贷款人|委托人|代理人|申请人|经办人|法人代表|法定代表人|法人|紧急联系人|监护人|户主|"
    "人名|对方名字|名字|真名|实名|署名|签名"
)
_KIN = (
    "老公|老婆|丈夫|妻子|爱人|先生|太太|爸爸?|妈妈?|父亲|母亲|儿子|女儿|孩子|哥哥?|弟弟?|姐姐?|妹妹?|爷爷|奶奶|外公|外婆|"
    "公公|婆婆|岳父|岳母|叔叔?|阿姨|舅舅|姑姑|朋友|同事|同学|邻居|领导|老板|室友|男友|女友|男朋友|女朋友|前夫|前妻|"
    "表哥|表弟|表姐|表妹|侄子|侄女|孙子|孙女|客户|亲戚"
)
_STRONG = re.compile(
    rf"(?:我叫做?|我(?:的)?(?:名字|姓名|全名)(?:就)?(?:是|叫)|(?<![姓])名叫|我名(?:字)?叫|(?:{_ROLE})(?:姓名|名称|名字|名)?"
    rf"(?:[ ]?(?:是|为|叫|写|填|[:/,])[ ]?|[ ]{{0,2}}))"
)
_WEAK = re.compile(
    rf"(?:我是|本人|这里是|(?:我|俺|他|她)(?:的)?(?:{_KIN})(?:的名字)?(?:叫|是|名叫)?|(?:转(?:账|钱)?|汇(?:款|钱)?|打(?:款|钱)?|借(?:钱)?|还(?:钱)?|付(?:款)?|寄|交)"
    rf"(?:给|到|去)(?:了)?(?:一个叫)?|对方是|对方叫)[ ]?[:,]?[ ]?"
)
_PREPOSITION = re.compile(
    r"(?:(?<!分)给|帮|替|代(?!码)|找|叫做?|向|请?转告|联系|举报|投诉|查(?:查|询|一下)?|和|跟|柜员|行长|主任|经理|信贷员|柜面|员工|坐席)(?:一下)?[ ]?"
)
_TITLE_AFTER = re.compile(
    "先生|女士|小姐|太太|阿姨|师傅|律师|医生|大夫|老师|同学|同志|大爷|大妈|奶奶|爷爷|教授|女儿|儿子"
)
_OWNED = re.compile(
    r"(?:的|这?个?人的)?(?:名下|账户|账号|卡(?![片])|银行卡|信用卡|身份证|手机|电话|余额|密码|存款|贷款|征信|工资|户口|护照|地址|转账|生日|资料|信息)"
)
_ROLE_AFTER = re.compile(
    r"(?:方式|电话|手机|地址|账号|账户|卡号|开户行|银行|证件|身份|信息|姓名|不|没|需|要|必|可|能|是否|怎|什么|本人|有|和|与|跟|及|在|的|应)"
)
_AFTER = re.compile(
    r"[,，。.!！?？;；:：、)）\]】\"'\s/|（(<]|$|\d|[a-zA-Z]|[\[【*]"
    r"|想|要|的|在|是|和|跟|与|及|先生|女士|小姐|太太|转|给|汇|打|借|欠|收|付|存|取|名下|本人|申请|办|查|改|换|开|"
    r"身份证|证件|手机|电话|银行|卡|账|户|密码|需|请|麻烦|问|有|没|不|被|把|从|到|用|今|昨|前|刚|去|来|能|可以|也|说|已|这|那|我|你|您|他|她|啊|呀|哦|呢|吧|吗|了"
    r"|联系|帮|预|于|对|向|同|曾|因|为|之|就|还|却|都|住|地址|性别|生日|出生|年|老师|经理|护照|邮箱|余额|登|注册|转账|收到|名字|她|借|买|卖"
)
_HARD = re.compile(
    r"[,，。.!！?？;；:：、)）\]】\"'\s/|（(<]|$|\d|先生|女士|小姐|太太|身份证|证件|手机|电话|的(?:卡|身份|手|账|银|信|余|工|存|贷)"
)
_NEVER = frozenset(
    "的了吗呢吧是在我你您他她它这那哪不没也就都很把被给啥谁什么怎几个人们请问卡号码账户钱款行证"
    "转查办收付取存填改换写错对该些里面后该再又只从让帮找说叫打该过得着地额费率"
)
_NEVER_SECOND = _NEVER | frozenset("想要和跟与及有去来到用已今昨刚因住于先女小太借欠汇开")
_NOT_A_NAME = frozenset(word_list("not_names"))
_WORDY = frozenset("那都和应来于时国公从信能干但台全同")
"""Surnames that are mostly other words: only a sure announcement makes them one."""


def _load_words() -> frozenset[str]:
    """Words of two or three characters that begin like a name but aren't one (jieba's dictionary)."""
    words = set(_NOT_A_NAME)
    with jieba.get_dict_file() as lines:
        for line in lines:
            word, frequency, tag = line.decode("utf-8").rstrip().split(" ")
            if (
                len(word) in {2, 3}
                and word[0] in SINGLE
                and not tag.startswith("nr")
                and int(frequency) >= 20
            ):
                words.add(word)
    return frozenset(words)


_WORDS = _load_words()
"""Read when the module is: the first message must not wait for a file."""


def find_chinese_names(folded: Folded) -> Iterator[Candidate]:
    """Propose Chinese names in a text that has 汉字."""
    text = folded.text
    for announced in _STRONG.finditer(text):
        at = announced.end()
        sure = announced[0][-1] in ":/ " or announced[0][0] in "我名"
        end = _name_at(text, at, strict=not sure)
        if not end and not sure:
            end = _name_at(text, at, strict=False)
            if not (end and _HARD.match(text, end) and _common(text[at:end])):
                continue
        if end and not (announced[0][-1] not in "是为叫写填:/, " and _ROLE_AFTER.match(text, at)):
            yield Candidate(at, end, "NAME", _RANK)
    for announced in _WEAK.finditer(text):
        end = _name_at(text, announced.end(), strict=True)
        if end:
            yield Candidate(announced.end(), end, "NAME", _RANK + 1)
    for announced in _PREPOSITION.finditer(text):
        end = _name_at(text, announced.end(), strict=True)
        if (
            end
            and _plausible(text, announced.end(), end)
            and announced[0][-1] + text[announced.end()] not in _JOINED
        ):
            yield Candidate(announced.end(), end, "NAME", _RANK + 2)
    for title in _TITLE_AFTER.finditer(text):
        yield from _before(text, title.start())
    for owned in _OWNED.finditer(text):
        if owned[0].startswith(("的", "名下", "这")):
            yield from _before(text, owned.start())
    yield from _alone(folded)


def _name_at(text: str, at: int, *, strict: bool) -> int:
    """End of the name that begins at `at`, or 0."""
    foreign = _FOREIGN.match(text, at)
    if foreign and not strict:
        return foreign.end()
    two = text[at : at + 2]
    if two in COMPOUND:
        size = 2
    elif text[at : at + 1] in SINGLE and not (strict and text[at] in _WORDY):
        size = 1
    else:
        return 0
    given = at + size
    first, second = text[given : given + 1], text[given + 1 : given + 2]
    if (
        _TITLE.match(text, given)
        or not _han(first)
        or first in _NEVER
        or (strict and _dictionary(text, at, size))
    ):
        return 0
    short, long = given + 1, given + 2
    if not _han(second):
        return 0 if _masked(text, short) or _blocked(text, at, short, strict) else short
    if second not in _NEVER_SECOND and _HARD.match(text, long):
        # 我叫周想，…: three characters and an end; but 张伟转, 王芳身: the third begins a word of its own.
        end = long
    elif _AFTER.match(text, given + 1) and (second not in GIVEN or not _AFTER.match(text, long)):
        end = short
    elif second in _NEVER_SECOND:
        end = short if _AFTER.match(text, given + 1) else 0
    elif _AFTER.match(text, long) or (first in GIVEN and second in GIVEN):
        end = long
    elif strict:
        return 0
    else:
        end = short if first in GIVEN else long
    return end if end and not _masked(text, end) and not _blocked(text, at, end, strict) else 0


_JOINED = frozenset(
    ["替代", "叫来", "找来", "向前", "向来", "和平", "和谐", "和解", "给予", "和国", "和于", "代全", "代言"]
)


def _common(name: str) -> bool:
    given = name[2 if name[:2] in COMPOUND else 1 :]
    return all(character in GIVEN for character in given) and name[:2] not in _NOT_A_NAME


def _plausible(text: str, at: int, end: int) -> bool:
    """Whether what follows a mere preposition is a name: common in names throughout, no word, an end."""
    return (
        _common(text[at:end])
        and text[at : at + 2] not in _WORDS
        and _AFTER.match(text, end) is not None
        and not _LOW_END.match(text, end)
    )


_LOW_END = re.compile("年|之|因|有|能|可以|出生|同|于|到|从|也|都|去|来|时|性")


_TITLE = re.compile("先生|女士|小姐|太太|经理|老师|阿姨|师傅|警官|行长|主任|医生|律师|总(?![一-龥])")
"""After a bare surname: 王先生 is as much as masking would leave."""
_FOREIGN = re.compile(rf"[{_HAN}]{{1,6}}(?:·[{_HAN}]{{1,8}}){{1,3}}")


def _han(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"


_PLACE = re.compile("|".join(city for city in (*CITIES, *PROVINCES) if city[0] in SINGLE))


def _masked(text: str, end: int) -> bool:
    return text[end : end + 1] == "*"


def _dictionary(text: str, at: int, size: int) -> bool:
    if size > 1:
        return False
    words = _WORDS
    head = text[at : at + 2]
    if head in words and (
        head in _NOT_A_NAME or text[at + 1] not in GIVEN or not _han(text[at + 2 : at + 3])
    ):
        return True
    return text[at : at + 3] in words


def _blocked(text: str, at: int, end: int, strict: bool) -> bool:
    name = text[at:end]
    if name[:2] in _NOT_A_NAME:
        return True
    if not strict:
        return False
    if name in _WORDS or _PLACE.match(text, at) or any(character in _NEVER for character in name[1:]):
        return True
    given = name[2 if name[:2] in COMPOUND else 1 :]
    if name[:2] in _WORDS and given[-1] not in GIVEN:
        return True
    return not any(character in GIVEN for character in given) and given[:1] * 2 != given


_EDGE = re.compile(
    r"(?:^|[,，。.!！?？;；:：、\s(（\"'/]|我叫|我是|是|叫|找|给|帮|替|和|跟|请|请转告|转告|的|向|由|联系|对方|查|把|您好|你好|举报|有个|老公|老婆|爸|妈|朋友|同事|让|与|及|代|用|人)$"
)


def _before(text: str, end: int) -> Iterator[Candidate]:
    """A whole name that ends at `end` and begins at an edge: 张建华|先生, 田雨薇|的身份证."""
    for size in (3, 2, 4):
        start = end - size
        if start < 0:
            continue
        name = text[start:end]
        surname = 2 if name[:2] in COMPOUND else 1
        if surname == 1 and name[0] not in SINGLE:
            continue
        given = name[surname:]
        if not 1 <= len(given) <= 2 or not all(_han(c) and c not in _NEVER for c in given):
            continue
        if (
            name in _WORDS
            or name[:2] in _NOT_A_NAME
            or (len(name) == 3 and name[:2] in _WORDS and name[1] not in GIVEN)
        ):
            continue
        if not (given[-1] in GIVEN and given[0] in GIVEN) or not _EDGE.search(
            text[max(0, start - 4) : start]
        ):
            continue
        yield Candidate(start, end, "NAME", _RANK + 3)
        return


_ALONE = re.compile(rf"(?<![{_HAN}])[{_HAN}]{{2,4}}(?![{_HAN}*])")
_LONG_NUMBER = re.compile(r"\d{6}|1[3-9]\d[ \-]?\d{4}")


def _alone(folded: Folded) -> Iterator[Candidate]:
    """A name that stands by itself beside a long number: 6217… 刘建国，帮我挂失."""
    text = folded.text
    if not _LONG_NUMBER.search(text):
        return
    for match in _ALONE.finditer(text):
        name = match[0]
        surname = 2 if name[:2] in COMPOUND else 1
        given = name[surname:]
        near = _DIGIT_BESIDE.search(text[max(0, match.start() - 2) : match.start()]) or _DIGIT_FOLLOWS.match(
            text, match.end()
        )
        if (
            near
            and (surname == 2 or name[0] in SINGLE)
            and 1 <= len(given) <= 2
            and all(c in GIVEN for c in given)
            and name not in _WORDS
            and name[:2] not in _NOT_A_NAME
        ):
            yield Candidate(*match.span(), "NAME", _RANK + 4)


_DIGIT_BESIDE = re.compile(r"\d[ ,，、]?$")
_DIGIT_FOLLOWS = re.compile(r"[ ,，、:]{0,2}\d{6}")
