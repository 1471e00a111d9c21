"""Which clause of a text a written reply stands on: by shared figures first, then by shared words."""

from __future__ import annotations

from dataclasses import dataclass

from inference.guard.figures import compatible, find_figures
from inference.reading.passage import Passage
from inference.retrieval.text import Analyser

__all__ = ["Support", "support"]

FIGURE = 1.5
"""What a shared figure weighs against words that are shared completely."""
ECHOED = 0.4
"""What is left of a term's weight if the question had it: the reply repeats what it was asked."""
LEAST, LEAD = 0.45, 1.25
"""From what on a clause is clear: how much it shares, and how many times as much as the next one."""


@dataclass(frozen=True, slots=True)
class Support:
    clause: int
    """Its number in the passage."""
    clear: bool


def support(reply: str, passage: Passage, analyser: Analyser, question: str = "") -> Support | None:
    """The clause that shares most with `reply`, the earlier one of equals; None for an empty text."""
    said, asked = (frozenset(analyser.grams(analyser.fold(text))) for text in (reply, question))
    figures, known = find_figures(reply), find_figures(question)
    scores = []
    for clause in passage.clauses:
        terms = clause.grams
        weights = {term: passage.rarity[term] * (ECHOED if term in asked else 1) for term in terms}
        shared = sum(weight for term, weight in weights.items() if term in said)
        # Half by how much is shared, half by what part of the clause that is.
        whole = sum(passage.rarity[term] for term in terms) or 1.0
        reached = sum(passage.rarity.get(term, passage.unknown) for term in said) or 1.0
        words = 2 * shared / (whole + min(reached, 3 * whole))
        stated = sum(
            ECHOED if any(compatible(figure, other) for other in known) else 1.0
            for figure in clause.figures
            if any(compatible(other, figure) for other in figures)
        )
        part = stated / len(clause.figures) if clause.figures else 0.0
        scores.append(words + FIGURE * part * min(stated, 1.0) if stated else words)
    if not scores:
        return None
    best = max(range(len(scores)), key=scores.__getitem__)
    second = max((score for at, score in enumerate(scores) if at != best), default=0.0)
    return Support(best, scores[best] >= LEAST and scores[best] >= LEAD * second)
