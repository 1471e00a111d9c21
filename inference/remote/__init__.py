"""A model elsewhere: replies from any OpenAI-compatible server (docs/models.md, "A model elsewhere")."""

from inference.remote.generator import RemoteGenerator
from inference.remote.options import RemoteOptions, RemoteStatus

__all__ = ["RemoteGenerator", "RemoteOptions", "RemoteStatus"]
