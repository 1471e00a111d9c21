"""Postal addresses, Chinese and English.

An address begins at a region or after a word that announces one, and must come down to a street or a
building: a city or a district alone says where a branch is, not where a person lives.
"""

# ruff: noqa: E501  (a pattern is read by its branches, and 汉字 count double)

from __future__ import annotations

import re
from collections.abc import Iterator

from inference.privacy.fold import Folded
from inference.privacy.regions import CITIES, PROVINCES
from inference.privacy.span import Candidate

__all__ = ["find_chinese_addresses", "find_english_addresses"]

_RANK = 18
_HAN = "\u4e00-\u9fff"

_PROVINCE = "(?:" + "|".join(PROVINCES) + ")"
_CITY = "(?:(?:" + "|".join(CITIES) + ")(?:市|地区|自治州|州|盟|区|县)?)"
_DISTRICT = rf"(?:[{_HAN}]{{1,7}}?(?:自治县|自治州|特别行政区|新区|开发区|高新区|市|区|县|旗|盟))"
_REGION = rf"(?:{_PROVINCE}[ ,，]?(?:{_CITY}|{_DISTRICT})?|{_CITY})"

_NUMBER = r"(?:[0-9]{1,5}(?:[\-－~之][0-9]{1,5}){0,3}|[零一二三四五六七八九十百]{1,5}|[A-Za-z][0-9]{0,4}|[甲乙丙丁东南西北])"
_ROAD = rf"[{_HAN}A-Za-z0-9]{{1,10}}?(?:大道|大街|公路|路|街道|街|道|胡同|里弄|巷|弄|镇|乡|村|屯|庄|社区|小区|园区|工业园|科技园|花园|家园|公寓|新村|新城|苑|府|大厦|广场|中心|城|庭|湾|坊|居|院)"
_UNIT = rf"(?:第?{_NUMBER}[ ]?(?:号楼|号院|号|栋|幢|座|单元|楼|层|室|户|门|弄|巷|组|排|区|期|房|铺)|[{_HAN}]{{1,8}}?(?:{_NUMBER})(?:座|栋|幢|室|单元|号楼|号|楼|层))"
_TAIL = re.compile(
    rf"(?:[ ,，]?(?:{_DISTRICT}|{_ROAD}(?:[东南西北中]段|[东南西北](?=\d))?|{_UNIT}|(?<=[座栋幢元楼号层院厦])[A-Za-z]?\d{{2,4}}(?:室|房|户)?(?!\d))){{1,14}}"
)
_START = re.compile(_REGION)
_ANNOUNCED = re.compile(
    r"(?:(?:家庭|通讯|联系|收货|收件|邮寄|寄送|账单|户籍|居住|现居|新|老|单位|公司|办公|我的?|我家|快递|注册)?(?:地址|住址|住所|户籍地?)"
    r"[ ]?(?:是|为|改为|改成|变更为|换成|更新为|在|[:,]|)[ ]?|(?:家住|我住|住在|居住在|住|家在|搬到了?|搬家到了?|寄到|寄往|寄去|送到|送往|邮寄到|邮到|上门到|户口在|租住)[ ]?)"
)
_DETAIL = re.compile(
    rf"{_NUMBER}[ ]?(?:号楼|号院|号|栋|幢|座|单元|楼|层|室|弄|组|房|门)|[座栋幢元楼]\d{{2,4}}|[A-Za-z]座|[县镇乡道区][^ ,，]*(?:小区|公寓|新村|家园|花园|苑|村)"
)
_LEVELS = re.compile(r"路|街|道|巷|弄|号|栋|幢|座|单元|室|楼|小区|村|苑|花园|公寓|大厦")
_OF_BANK = re.compile(
    r"(?:的)?[^，,。\s]{0,6}?(?:支行|分行|网点|营业部|营业厅|分理处|储蓄所|柜台|银行|atm|ATM|柜员机|地铁|车站)"
)
_BARE = re.compile(
    rf"(?<![{_HAN}A-Za-z0-9])[{_HAN}]{{2,6}}(?:路|街|大道|巷|弄|村)\d{{1,5}}号(?:院)?(?:[{_HAN}]{{0,8}}?(?:\d{{1,4}}|[A-Z])(?:号楼|栋|幢|座|单元|楼|层|室)){{1,4}}(?:\d{{2,4}}室?)?"
)
_LAST_DETAIL = re.compile(
    r".*(?:号|栋|幢|座|单元|楼|层|室|弄|组|房|户|门|苑|小区|公寓|花园|家园|新村|村|大厦|广场|中心|路|街|道|巷|\d)",
    re.DOTALL,
)
_COMMON = re.compile(r"怎么|哪里|哪个|什么|多少|不对|是否|可以|能不能|附近|周边|请问")


def find_chinese_addresses(folded: Folded) -> Iterator[Candidate]:
    """Propose Chinese addresses in a text that has 汉字."""
    text = folded.text
    done = 0
    for begun in _START.finditer(text):
        if begun.start() < done:
            continue
        end = _end(text, begun.end())
        if end:
            done = end
            yield Candidate(begun.start(), end, "ADDRESS", _RANK)
    for announced in _ANNOUNCED.finditer(text):
        at = announced.end()
        if at < done:
            continue
        end = _end(text, at)
        if (
            end - at >= 6
            and len(_LEVELS.findall(text[at:end])) >= 2
            and re.search(r"\d|[A-Za-z]|[一二三四五六七八九十]号", text[at:end])
        ):
            done = end
            yield Candidate(at, end, "ADDRESS", _RANK + 1)
    for match in _BARE.finditer(text):
        yield Candidate(*match.span(), "ADDRESS", _RANK + 2)


def _end(text: str, at: int) -> int:
    """Where the address that has begun before `at` ends; 0 if it never comes down to a street."""
    tail = _TAIL.match(text, at)
    if tail is None:
        return 0
    last = _LAST_DETAIL.match(tail[0])
    if last is None:
        return 0
    end = tail.start() + last.end()
    body = text[at:end]
    if not _DETAIL.search(body) or _COMMON.search(body):
        return 0
    if _OF_BANK.match(text, end) and not re.search(r"[室户]$|单元", body):
        return 0
    return end


_STATES = (
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD "
    "TN TX UT VT VA WA WV WI WY AS GU MP PR VI FM MH PW"
).replace(" ", "|")
_STREET_WORD = (
    "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Way|Parkway|Pkwy|Highway|Hwy|"
    "Crescent|Close|Gardens|Grove|Hill|Mews|Row|Walk|Circle|Trail|Alley|Quay|Path|Plaza"
)
_CAPITAL = r"[A-Z][\w'.\-]*"
_FLAT = r"(?:,? ?(?:Suite|Ste|Apt|Apartment|Unit|Flat|Room|Rm|Floor|Fl|#)\.? ?#?\w{1,6})?"
_ENGLISH = re.compile(
    rf"(?<![\w\-])(?:"
    rf"\d{{1,6}}[A-Za-z]?(?:-\d{{1,4}})?(?: {_CAPITAL}){{1,5}}{_FLAT},? ?{_CAPITAL}(?: {_CAPITAL}){{0,3}}, ?(?:{_STATES}) \d{{5}}(?:-\d{{4}})?"
    rf"|(?:(?:Flat|Apt|Unit|Room|Suite) ?\w{{1,5}}, ?)?\d{{1,5}}[A-Za-z]?(?:-\d{{1,4}})? (?:{_CAPITAL} ){{1,4}}(?:{_STREET_WORD})\b\.?{_FLAT}"
    rf"(?:, ?{_CAPITAL}(?: {_CAPITAL}){{0,2}}(?= [A-Z]{{1,2}}\d|,|\.|$| \d{{5}}|[^\w ]))?(?:,? (?:{_STATES})\b)?(?:,? \d{{5}}(?:-\d{{4}})?)?(?:,? [A-Z]{{1,2}}\d[A-Z\d]? \d[A-Z]{{2}})?(?:, ?(?:Hong Kong|Singapore|China|UK|USA))?"
    rf"|(?:USNS|USS|USNV|USCGC) {_CAPITAL}(?: {_CAPITAL})?,? ?[FAD]PO A[AEP] \d{{5}}"
    rf"|PSC \d{{1,5}},? ?Box \d{{1,6}},? ?[FAD]PO A[AEP] \d{{5}}"
    rf"|Unit \d{{1,5}},? ?Box \d{{1,6}},? ?[FAD]PO A[AEP] \d{{5}}"
    rf"|P\.? ?O\.? ?Box \d{{1,6}}(?:, ?{_CAPITAL}(?: {_CAPITAL}){{0,2}})?(?:,? (?:{_STATES}) \d{{5}})?"
    rf")(?![\w])"
)


def find_english_addresses(folded: Folded) -> Iterator[Candidate]:
    """Propose English addresses."""
    for match in _ENGLISH.finditer(folded.text):
        yield Candidate(*match.span(), "ADDRESS", _RANK)


_KEPT_REGION = re.compile(rf"{_PROVINCE}?(?:[ ,，]?{_CITY})?(?:[ ,，]?{_DISTRICT})?")


def region_end(address: str) -> int:
    """How much of an address names its province, city and district; 0 for an English one."""
    kept = _KEPT_REGION.match(address)
    return kept.end() if kept else 0
