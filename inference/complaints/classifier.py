"""Is it a complaint, whose, and how grave: words and linear heads together.

The words alone give an answer that can be explained; the heads weigh what words leave open. Where a ground
of the first level is named (money moving, a takeover, self-harm, the regulator, the media), the words decide.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np

from inference.complaints.heads import Array, Heads, Shares, load_heads
from inference.complaints.words import DEPARTMENTS, SEVERITIES, Severity, Signals, Words, load_words
from inference.probabilities import softmax

__all__ = ["Complaint", "Complaints", "ComplaintsByMeaning", "Embed"]

Embed = Callable[[str], Awaitable[Array | None]]

HAND = 0.75
"""What a point of the words weighs against a head's logit of the department."""
ALWAYS_GRAVE = frozenset({"self_harm", "funds_moving", "takeover", "scammed"})
"""Grounds that count whether or not it is a complaint."""
THREATS = frozenset({"regulator", "media", "legal"})
NOT_MEANT = frozenset({"withdrawn", "question", "praise"})
THREATENED = 0.8
"""Probability at the least, where somebody says that they will go to the regulator, a court or the media."""
UNNAMED = 1.5
LADDER, ORDINARY = 3.0, 1.0
"""What the words' own severity weighs against the head's logits: a ground that was found, and none."""
NAMED = 1.5
"""Points of a department from which a message says what it is about."""
FIRM = 3.0
UNSPECIFIC = frozenset({"consumer_protection", "contact_center"})
"""Departments whose usual words (投诉, 客服) may stand for any matter: `FIRM` points are needed of these."""
LEANING = 0.5
"""Probability from which it counts as a complaint."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a message was found to be.

    Attributes:
        is_complaint: probability.
        department: who should have it, complaint or not.
        departments: all of them, the likeliest first, with their shares.
        severity: P1 to P4; what isn't a complaint and has no ground is P4.
        reasons: grounds and tones that were found, the gravest first; never the customer's words.
        named: whether it says what it is about, beside being displeased.
    """

    is_complaint: float
    department: str
    departments: tuple[tuple[str, float], ...]
    severity: Severity
    reasons: tuple[str, ...]
    named: bool = True


class Complaints:
    """The classifier. Deterministic, no torch, about 0.3 ms a message.

    Args:
        heads: None for words alone.
    """

    def __init__(self, words: Words | None = None, heads: Heads | None = None) -> None:
        self._words = words or load_words()
        self._heads = heads

    @classmethod
    def load(cls) -> Complaints:
        """With the shipped words and heads."""
        return cls(load_words(), load_heads())

    @property
    def encoder(self) -> str:
        """Name of the encoder whose vectors it takes; empty if it takes none."""
        return self._heads.encoder if self._heads else ""

    def classify(self, text: str, vector: Array | None = None) -> Complaint:
        """What `text` is.

        Args:
            vector: its embedding as a query, shape (dimension,) or (1, dimension); None, or one of another
                encoder's size, for words alone.
        """
        signals = self._words.read(text)
        if self._heads is None:
            shares = by_hand(signals)
        else:
            fits = vector is not None and vector.size == self._heads.centre.size
            shares = self._heads.shares(signals.features, vector if fits else None)
        probability = float(shares.complaint[1])
        if THREATS.intersection(signals.grounds) and not NOT_MEANT.intersection(signals.tone):
            probability = max(probability, THREATENED)
        logits = np.log(shares.department + 1e-6) + HAND * np.array(signals.departments, np.float32)
        if max(signals.departments) < NAMED:
            # What names no department goes to those who sort things out.
            logits[DEPARTMENTS.index("contact_center")] += UNNAMED
        given = softmax(logits)
        order = np.argsort(-given, kind="stable")
        severity = self._severity(signals, shares, probability)
        tones = sorted(signals.tone, key=lambda name: -signals.tone[name])
        return Complaint(
            probability,
            DEPARTMENTS[int(order[0])],
            tuple((DEPARTMENTS[int(n)], round(float(given[n]), 4)) for n in order),
            severity,
            (*signals.grounds, *tones),
            bool(signals.grounds) or _names_a_matter(signals),
        )

    def _severity(self, signals: Signals, shares: Shares, probability: float) -> Severity:
        if any(ground in ALWAYS_GRAVE for ground in signals.grounds):
            return "P1"
        if probability >= LEANING and any(self._words.level[g] == "P1" for g in signals.grounds):
            return "P1"
        logits = np.log(shares.severity + 1e-6)
        if probability < LEANING:
            logits[3] += LADDER
        elif signals.grounds:
            logits[1] += LADDER
        elif "minor" not in signals.tone or "demand" in signals.tone:
            # Words can't list all that is grave: here the head has more of a say.
            logits[2] += ORDINARY
        return SEVERITIES[int(logits.argmax())]


class ComplaintsByMeaning:
    """Implements `bot.ports.ComplaintRouter`.

    Args:
        embed: gives a text's vector, shape (1, dimension), or None while there is no encoder.
    """

    def __init__(self, classifier: Complaints, embed: Embed | None = None) -> None:
        self._classifier = classifier
        self._embed = embed

    async def route(self, text: str) -> Complaint:
        vector = None if self._embed is None else await self._embed(text)
        return self._classifier.classify(text, vector)


def _names_a_matter(signals: Signals) -> bool:
    """Whether something is named that can be looked into: more than that there is a complaint."""
    return any(
        points >= (FIRM if department in UNSPECIFIC else NAMED)
        for department, points in zip(DEPARTMENTS, signals.departments, strict=True)
    )


def by_hand(signals: Signals) -> Shares:
    """Shares without any head: fixed weights on what the words say."""
    tone = signals.tone
    score = (
        1.3 * tone.get("demand", 0)
        + 1.3 * tone.get("angry", 0)
        + 1.5 * tone.get("fault", 0)
        + 1.0 * len(signals.grounds)
        - 1.4 * tone.get("question", 0)
        - 2.0 * tone.get("praise", 0)
        - 1.5 * tone.get("suggestion", 0)
        - 1.0 * tone.get("request", 0)
        - 4.0 * tone.get("withdrawn", 0)
        - 0.7
    )
    share = 1.0 / (1.0 + np.exp(-score))
    severity = np.full(4, 0.25, np.float32)
    flat = np.full(len(DEPARTMENTS), 1.0 / len(DEPARTMENTS), np.float32)
    return Shares(np.array([1 - share, share], np.float32), flat, severity)
