"""From raw conversation logs to cleaned, masked, deduplicated and split dialogues (docs/training.md)."""

from inference.training.prepare.config import PrepareConfig, load_prepare_config
from inference.training.prepare.dialogue import Dialogue, Role, Turn
from inference.training.prepare.pipeline import prepare
from inference.training.prepare.report import Report

__all__ = ["Dialogue", "PrepareConfig", "Report", "Role", "Turn", "load_prepare_config", "prepare"]
