"""The HTTP platform: signed JSON in and out."""

from adapters.http.adapter import HttpAdapter, InboundMessage

__all__ = ["HttpAdapter", "InboundMessage"]
