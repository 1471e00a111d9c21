"""Risk rules: deterministic, tested in both directions, and never dependent on a model."""

from inference.rules.engine import RuleEngine
from inference.rules.loader import RuleSet, load_rules

__all__ = ["RuleEngine", "RuleSet", "load_rules"]
