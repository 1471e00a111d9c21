"""What stands between a customer and an answer, as one handful: masking, risk rules, limits, complaints."""

from __future__ import annotations

from dataclasses import dataclass

from bot.limits.meter import Meter
from bot.metrics import Metrics
from bot.ports import Attention, Clock, ComplaintRouter, Masker, RiskRules

__all__ = ["Safeguards"]


@dataclass(frozen=True, slots=True)
class Safeguards:
    masker: Masker
    rules: RiskRules
    meter: Meter
    metrics: Metrics
    clock: Clock
    attention: Attention | None = None
    complaints: ComplaintRouter | None = None
