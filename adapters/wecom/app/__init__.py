"""Self-built WeCom apps 自建应用."""

from adapters.wecom.app.adapter import WeComAppAdapter
from adapters.wecom.app.settings import WeComApp

__all__ = ["WeComApp", "WeComAppAdapter"]
