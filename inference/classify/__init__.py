"""Classifiers of messages: the packaged encoder, tuned on labelled text, under a linear head."""

from inference.classify.model import TextClassifier
from inference.classify.shipped import SHIPPED, load_classifier

__all__ = ["SHIPPED", "TextClassifier", "load_classifier"]
