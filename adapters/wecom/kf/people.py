"""The people (接待人员) of a customer-service account.

Source: 获取接待人员列表 (developer.work.weixin.qq.com/document/path/94645).
"""

from __future__ import annotations

from adapters.wecom.api import WeComApi

__all__ = ["people_of"]

RECEIVING = 0
"""`status`: takes conversations now. (In events it is 1.)"""


async def people_of(api: WeComApi, open_kfid: str) -> dict[str, bool]:
    """By member id, whether they are receiving now.

    Raises:
        SendError
    """
    answer = await api.call("GET", "kf/servicer/list", params={"open_kfid": open_kfid})
    people = answer.get("servicer_list")
    return {
        str(person["userid"]): person.get("status") == RECEIVING
        for person in (people if isinstance(people, list) else [])
        if isinstance(person, dict) and person.get("userid")
    }
