"""A message as `intents` reads it: one way of writing for what can be written in many."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["plain"]

_PAIRS = (
    "佔占來来個个們们備备傢家債债兒儿別别剛刚劃划區区參参員员問问單单嗎吗噹当國国報报塊块奬奖媽妈寫写將将對对嶽岳師师幫帮幾几彆别彔录從从愛爱慼戚應应戶户捲卷換换擇择敎教數数會会條条極极"
    "標标樣样檔档櫃柜決决沒没測测準准滿满為为煩烦爲为爺爷獎奖現现產产産产當当眞真確确碼码禮礼種种積积穩稳箇个約约級级紹绍結结給给經经繼继續续纔才羣群聯联脩修舉举萬万蔘参薦荐虧亏衕同裏里"
    "裝装裡里製制規规視视親亲託托許许訴诉詐诈評评試试該该認认調调請请譜谱變变讓让財财買买貸贷費费資资賣卖賬账購购贖赎較较辦办迴回這这進进過过違违適适選选釋释釦扣鈡钟銷销錄录錢钱錯错録录"
    "鍾钟鐘钟長长開开閤合隨随險险隻只雙双項项預预頭头題题類类風风餬糊騙骗驟骤麪面麫面麵面麼么麽么黃黄點点齣出"
)
_SIMPLE = {ord(old): new for old, new in zip(_PAIRS[::2], _PAIRS[1::2], strict=True)}
"""Traditional characters of the words that `intents` knows."""
_DROPPED = ("Cc", "Cf", "Cn", "Co", "Cs", "Me", "Mn", "So", "Sk")
_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_APART = re.compile(
    rf"(?<=[{_HAN}])[ \t·•*_~^|\-/\\+=#@.…'\"`]{{1,6}}(?=[{_HAN}])"
    rf"|(?<=[{_HAN}])[ \t]{{1,6}}(?=[A-Za-z0-9])|(?<=[A-Za-z0-9])[ \t]{{1,6}}(?=[{_HAN}])"
)
"""What stands between the characters of a word, or between those and a level: 风 险 测*评, 到 C5."""


def plain(text: str) -> str:
    """NFKC, simplified as far as `intents` has words, without emoji, invisible characters and blanks between
    汉字. Positions are not those of `text`."""
    text = unicodedata.normalize("NFKC", text).translate(_SIMPLE)
    text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in _DROPPED)
    return _APART.sub("", text)
