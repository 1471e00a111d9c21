"""Prometheus metrics: one object made by the composition root and handed to whoever counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SLOW = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 1.5, 2.5, 5, 10, 20, 30)


class Metrics:
    """All of Teller's metrics, on a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"teller_{name}", text, labels, registry=self.registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"teller_{name}", text, labels, buckets=buckets, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"teller_{name}", text, labels, registry=self.registry)

        self.intake = counter("intake", "Events by what became of them", "platform", "outcome")
        self.intake_seconds = histogram("intake_seconds", "From parsed to committed", FAST, "platform")
        self.turns = counter("turns", "Turns by outcome", "outcome")
        self.turn_seconds = histogram("turn_seconds", "From claim to commit", SLOW)
        self.wait_seconds = histogram("wait_seconds", "From received to claimed", SLOW)
        self.answers = counter("answers", "Answers by where they came from", "source", "language")
        self.guard = counter("guard", "Generated replies by what the guard said", "verdict")
        self.sends = counter("sends", "Sends by outcome", "platform", "outcome")
        self.send_seconds = histogram("send_seconds", "One call of a platform", FAST, "platform")
        self.retrieval_seconds = histogram("retrieval_seconds", "One search of the knowledge", FAST)
        self.first_token_seconds = histogram(
            "first_token_seconds", "From asking the model to its first text", SLOW
        )
        self.tokens = counter("model_tokens", "Tokens by kind", "kind")
        self.depth = gauge("queue_depth", "What waits in the store", "queue")
        self.inference_up = gauge("inference_up", "1 while the inference worker is ready")
        self.inference_restarts = gauge("inference_restarts", "Restarts of the inference worker since start")
        self.errors = counter("errors", "Errors that were handled, by where", "where", "type")
        self.dead_letters = counter("dead_letters", "Dead letters made", "kind")
        self.tickets = counter(
            "tickets", "Escalations by what became of them", "department", "severity", "outcome"
        )
        self.tickets_unposted = counter(
            "tickets_unposted", "Tickets no staff channel was told of", "department"
        )
        self.staff_untold = counter(
            "staff_untold", "Posts to staff that weren't delivered, by where they went instead", "instead"
        )
        self.config = gauge("config_info", "1 for the active configuration version", "version")
        self.admissions = counter("admissions", "Events: admitted, or why they aren't answered", "decision")
        self.campaigns = counter("campaigns", "Texts that came from many senders")
        self.rules = counter("risk_assessments", "Messages assessed by the risk rules, by outcome", "outcome")
        self.rules_unapproved = gauge(
            "rules_unapproved", "Rules that should act and don't, for want of a second person's approval"
        )
        self.attachments_refused = counter("attachments_refused", "Files not taken, by why", "reason")
        self.load = gauge("load_level", "0 to 3: what is left out for now (docs/limits.md)")
        self.shed = counter("shed", "Work left out under load", "work")

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)
