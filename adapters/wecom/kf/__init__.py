"""WeCom's customer service 微信客服 (kf): customers write from their ordinary WeChat."""

from adapters.wecom.kf.adapter import KfAdapter
from adapters.wecom.kf.settings import WeComKf

__all__ = ["KfAdapter", "WeComKf"]
