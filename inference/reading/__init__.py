"""Reading: where in a text the answer to a question stands."""

from inference.reading.reader import Span, SpanReader

__all__ = ["Span", "SpanReader"]
