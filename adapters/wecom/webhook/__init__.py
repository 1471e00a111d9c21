"""Group webhooks 群机器人."""

from adapters.wecom.webhook.adapter import WeComGroupAdapter
from adapters.wecom.webhook.settings import WeComGroup

__all__ = ["WeComGroup", "WeComGroupAdapter"]
