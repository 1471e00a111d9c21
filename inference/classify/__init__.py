"""Classifiers of messages: the packaged encoder, tuned on labelled text, under a linear head."""

from inference.classify.model import TextClassifier

__all__ = ["TextClassifier"]
