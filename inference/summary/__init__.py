"""Summaries: of a conversation for staff, and of long texts."""

from inference.summary.conversation import ConversationNotes, Notes
from inference.summary.long_text import Summariser

__all__ = ["ConversationNotes", "Notes", "Summariser"]
