"""Extractive question answering: the words of a text that answer a question."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np

from inference.reading.features import Matrix, Question, dense_features, lexical_features
from inference.reading.passage import Passage, analyse
from inference.reading.runs import shortest_run
from inference.reading.support import support
from inference.reading.weights import WeightsFile, load_weights
from inference.retrieval.embedding import CachedEncoder
from inference.retrieval.text import Analyser

__all__ = ["Span", "SpanReader"]

LONGEST = 200_000
"""Characters of a text that are read."""
LONGEST_QUESTION = 400
"""Characters of a question that are read."""


@dataclass(frozen=True, slots=True)
class Span:
    """`text[start:end]`, in code points."""

    start: int
    end: int
    score: float
    """Probability (0 to 1) that it is the answer, if the text has one."""


class SpanReader:
    """Finds answers in texts of any length. Implements `bot.ports.Reader`; may be shared between threads.

    A text over the encoder's window is cut into overlapping windows at sentence ends; the clauses of all
    windows compete, the best window's with an advantage, and of equals the earlier one wins.

    Args:
        encoder: compares meanings too; every clause of a new text is embedded then, some milliseconds
            each. Without one, words alone decide, in about a millisecond.
        remembered: analysed texts that are kept, since a bank's passages come again and again.
    """

    def __init__(
        self,
        analyser: Analyser,
        encoder: CachedEncoder | None = None,
        weights: WeightsFile | None = None,
        *,
        remembered: int = 512,
    ) -> None:
        self._analyser = analyser
        self._encoder = encoder
        file = weights if weights is not None else load_weights()
        self._weights = file.lexical if encoder is None else file.dense
        self._known: OrderedDict[str, Passage] = OrderedDict()
        self._remembered = remembered
        self._lock = Lock()

    def find_span(self, question: str, text: str, *, earlier: str = "") -> Span | None:
        """The clause of `text` that answers `question` best; None if either has no words.

        Args:
            earlier: the customer's question before, which a follow-up leans on.
        """
        passage = self._analysed(text)
        shares = self._shares(question, passage, earlier)
        if not len(shares):
            return None
        best = int(shares.argmax())
        piece = passage.clauses[best].piece
        return Span(piece.start, piece.end, float(shares[best]))

    def mark(self, question: str, text: str, *, earlier: str = "", reply: str = "") -> tuple[int, int] | None:
        """Start and end of the answer in `text`, in code points, where it is clear: a clause, or as much of
        its sentence as makes it so.

        Args:
            reply: what was written from `text`, if anything was: then what it stands on is looked for.
        """
        passage = self._analysed(text)
        if reply:
            found = support(reply, passage, self._analyser, question)
            if found is None or not found.clear:
                return None
            run: tuple[int, int] | None = (found.clause, found.clause)
        elif len(passage.clauses) < 2:
            return None  # a share among one is certain whatever was asked
        else:
            where = [clause.piece.sentence for clause in passage.clauses]
            run = shortest_run(self._shares(question, passage, earlier), where, self._weights.clear)
        if run is None:
            return None
        return passage.clauses[run[0]].piece.start, passage.clauses[run[1]].piece.end

    def _shares(self, question: str, passage: Passage, earlier: str) -> Matrix:
        """Probability of each clause to be the answer, if the text has one; shape (clauses,), or (0,)."""
        if not passage.clauses or not question.strip():
            return np.zeros(0)
        asked = Question.of(question[:LONGEST_QUESTION], earlier[:LONGEST_QUESTION], self._analyser)
        features = lexical_features(asked, passage)
        if self._encoder is not None:
            features = np.hstack([features, dense_features(asked, passage, self._encoder)])
        scores = self._weights.scores(features)
        odds: Matrix = np.exp(scores - scores.max())
        shares: Matrix = odds / odds.sum()
        return shares

    def _analysed(self, text: str) -> Passage:
        text = text[:LONGEST]
        with self._lock:
            if text in self._known:
                self._known.move_to_end(text)
                return self._known[text]
        passage = analyse(text, self._analyser)
        with self._lock:
            self._known[text] = passage
            while len(self._known) > self._remembered:
                self._known.popitem(last=False)
        return passage
