"""Is it a complaint, which department should have it, and how severe is it."""

from inference.complaints.classifier import Complaint, Complaints, ComplaintsByMeaning

__all__ = ["Complaint", "Complaints", "ComplaintsByMeaning"]
