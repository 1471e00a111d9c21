"""Continuous batching: replies of many conversations are written together, a token each a step.

A step spends a bounded time reading new prompts (in chunks, so that running replies keep moving) and
then writes one token for every running reply. Replies join and leave between steps.

transformers' own continuous batching (5.23) runs on a CPU, but pads every step to its paged cache and
wrote 16 tokens/s for 16 conversations where this writes several times that (benchmarks/generation.py).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

import msgspec
import torch

from inference.generator.choice import Chooser, Writing
from inference.generator.eight_bits import with_eight_bits
from inference.generator.figures import Figures
from inference.generator.kv import Mask, Prefix, SlotCache
from inference.generator.model import LanguageModel
from inference.generator.options import (
    TUNED,
    UNTUNED,
    EngineOptions,
    EngineStats,
    Outcome,
    Overloaded,
)
from inference.generator.stream import TextStream, repeats_itself
from inference.generator.vocabulary import Head, Vocabulary

__all__ = ["Engine", "Job", "Listener"]

_FIGURE = 24
"""Tokens that the longest figure may take: more than any account number."""
_LEAST_REPLY = 64
"""Tokens of a reply that a long prompt leaves room for."""
Listener = Callable[[str, str, Outcome | None], None]
"""Told (job id, new text, why it ended or None). Called on the engine's thread; must not block."""


@dataclass(frozen=True, slots=True)
class Job:
    """One reply to write."""

    id: str
    prefix: str
    """The constant beginning of the prompt; its keys and values are computed once."""
    prompt: str
    stops: tuple[str, ...]
    max_tokens: int
    deadline: float
    """On the engine's clock."""
    sources: tuple[str, ...] = ()
    """The passages: figures come from here alone."""
    best: str = ""
    """The text of the best one, whose words are favoured."""
    question: str = ""
    """As quoted in the prompt; not to be echoed."""


@dataclass(slots=True)
class _Row:
    job: Job
    ids: tuple[int, ...]
    stream: TextStream
    writing: Writing
    length: int = 0
    """Tokens whose keys and values are in the cache."""
    last: int = 0
    """The token written last, not yet fed."""


@dataclass(slots=True)
class _Orders:
    """What other threads ask for; guarded by the engine's condition."""

    jobs: deque[Job] = field(default_factory=deque)
    cancelled: set[str] = field(default_factory=set)
    closed: bool = False


class Engine:
    """Writes the replies of many jobs. `run` belongs to one thread; the rest may be called from any."""

    def __init__(
        self,
        model: LanguageModel,
        options: EngineOptions,
        listener: Listener,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._reader: Any = model.network.get_decoder()
        self._writer: Any = with_eight_bits(self._reader) if model.eight_bits else self._reader
        self._options = options
        self._listen = listener
        self._clock = clock
        size = model.network.get_output_embeddings().weight.shape[0]
        self._vocabulary = Vocabulary(model.tokenizer, model.stop_ids, size, trim=options.trim_vocabulary)
        self._head = Head(model.network, self._vocabulary)
        steering = options.steering or (TUNED if model.tuned else UNTUNED)
        self._chooser = Chooser(self._vocabulary, steering)
        wide = torch.float32 if model.eight_bits else None
        self._cache = SlotCache(model.network.config, options.rows + 1, options.context, dtype=wide)
        self._prefixes: dict[str, Prefix] = {}
        self._running: list[_Row] = []  # the row at index i is in slot i
        self._reading: _Row | None = None  # in the last slot
        self._orders = _Orders()
        self._changed = Condition()
        self._stats = EngineStats()
        self._stepped_at = clock()

    # ── any thread ───────────────────────────────────────────────────────────────────────────────

    def submit(self, job: Job) -> None:
        """Queue a reply.

        Raises:
            Overloaded: the queue is full, or the engine is closing.
        """
        with self._changed:
            if self._orders.closed or len(self._orders.jobs) >= self._options.queue:
                raise Overloaded
            if not self.busy:  # standing idle until now is no stall
                self._stepped_at = self._clock()
            self._orders.jobs.append(job)
            self._changed.notify()

    def cancel(self, id: str) -> None:
        """Drop a reply before the next step; unknown ids are ignored."""
        with self._changed:
            self._orders.cancelled.add(id)
            self._changed.notify()

    def close(self) -> None:
        """Refuse new replies and let `run` return once the accepted ones have ended."""
        with self._changed:
            self._orders.closed = True
            self._changed.notify()

    @property
    def stats(self) -> EngineStats:
        reading = 1 if self._reading else 0
        return msgspec.structs.replace(
            self._stats, waiting=len(self._orders.jobs) + reading, running=len(self._running)
        )

    @property
    def tuned(self) -> bool:
        """Whether prompts are to be in the form for a tuned model."""
        return self._model.tuned

    @property
    def room(self) -> int:
        """Tokens that passages and question may take at least."""
        longest = max((len(prefix.ids) for prefix in self._prefixes.values()), default=0)
        return self._options.context - longest - _LEAST_REPLY

    @property
    def busy(self) -> bool:
        return bool(self._running or self._reading or self._orders.jobs)

    def stalled_for(self) -> float:
        """Seconds since the last step ended although there is work; 0 when idle."""
        return self._clock() - self._stepped_at if self.busy else 0.0

    # ── the engine's thread ──────────────────────────────────────────────────────────────────────

    def warm_up(self, prefixes: Sequence[str]) -> None:
        """Compute the constant beginnings of prompts, and try whether the model can write."""
        for prefix in prefixes:
            self._prefix(prefix)
        with torch.inference_mode():
            step = self._cache.step([0])
            self._head(self._forward(self._writer, torch.tensor([[0]]), torch.tensor([[0]]), step)[:, -1])

    def run(self) -> None:
        """Serve until closed."""
        while True:
            with self._changed:
                while not self.busy and not self._orders.closed:
                    self._orders.cancelled.clear()  # nothing they could name is left
                    self._changed.wait()
                if not self.busy:
                    return
            self.step()

    @torch.inference_mode()
    def step(self) -> None:
        """Drop what was cancelled or is late, read new prompts for a while, write one token each."""
        self._drop()
        self._read()
        if self._running:
            self._write()
        self._stepped_at = self._clock()
        self._count(steps=1)

    def _drop(self) -> None:
        now = self._clock()
        with self._changed:
            cancelled, self._orders.cancelled = self._orders.cancelled, set()
            waiting = list(self._orders.jobs)
            gone = [job for job in waiting if job.id in cancelled or job.deadline <= now]
            if gone:
                self._orders.jobs = deque(job for job in waiting if job not in gone)
        for job in gone:
            self._listen(job.id, "", "cancelled" if job.id in cancelled else "deadline")
        for row in [*self._running, *([self._reading] if self._reading else [])]:
            if row.job.id in cancelled:
                self._end(row, "cancelled")
            elif row.job.deadline <= now:
                self._end(row, "deadline")

    def _read(self) -> None:
        started = self._clock()
        while len(self._running) < self._options.rows:
            if self._reading is None and not self._admit():
                return
            self._read_chunk()
            if self._running and self._clock() - started >= self._options.reading_time:
                return

    def _admit(self) -> bool:
        with self._changed:
            if not self._orders.jobs:
                return False
            job = self._orders.jobs.popleft()
            tokenizer = self._model.tokenizer
            # Marked before the lock goes, so that `busy` never misses it.
            row = _Row(job, (), TextStream(tokenizer, job.stops), Writing(Figures(job.sources)))
            self._reading = row
        prefix = self._prefix(job.prefix)
        # Where the two are too long together the reply gives way, and then the passages, which come first.
        room = max(self._options.context - len(prefix.ids) - min(job.max_tokens, _LEAST_REPLY), 1)
        row.ids = (*prefix.ids, *tokenizer.encode(job.prompt, add_special_tokens=False).ids[-room:])
        row.length = len(prefix.ids)
        self._cache.restore(self._options.rows, prefix)
        self._count(cached_prompt_tokens=len(prefix.ids))
        row.writing = self._writing(job)
        return True

    def _writing(self, job: Job) -> Writing:
        def ids(text: str) -> list[int]:
            encoded: list[int] = self._model.tokenizer.encode(text, add_special_tokens=False).ids
            return encoded

        sources = [ids(text) for text in job.sources]
        return Writing(
            Figures(job.sources),
            extra_rows=self._vocabulary.rows_beyond_core(id for source in sources for id in source),
            best=self._vocabulary.rows_of(ids(job.best)),
            question=self._vocabulary.rows_of(ids(job.question)),
        )

    def _read_chunk(self) -> None:
        row = self._reading
        if row is None:
            return
        started = self._clock()
        chunk = row.ids[row.length : row.length + self._options.chunk]
        hidden = self._forward(
            self._reader,
            torch.tensor([chunk]),
            torch.arange(row.length, row.length + len(chunk))[None, :],
            self._cache.chunk(self._options.rows, row.length, len(chunk)),
        )
        row.length += len(chunk)
        self._count(prompt_tokens=len(chunk), prefill_seconds=self._clock() - started)
        if row.length < len(row.ids):
            return
        self._cache.move(self._options.rows, len(self._running), row.length)
        self._reading = None
        self._running.append(row)
        self._extend([row], self._head(hidden[:, -1]))

    def _write(self) -> None:
        started = self._clock()
        rows = list(self._running)
        positions = [row.length for row in rows]
        mask = self._cache.step(positions)
        tokens = torch.tensor([[row.last] for row in rows])
        hidden = self._forward(self._writer, tokens, torch.tensor(positions)[:, None], mask)
        for row in rows:
            row.length += 1
        self._extend(rows, self._head(hidden[:, -1]))
        self._count(decode_seconds=self._clock() - started)

    def _extend(self, rows: Sequence[_Row], logits: torch.Tensor) -> None:
        """Choose each row's next token, tell its text, and end what is complete."""
        chosen = self._chooser.choose(logits, [row.writing for row in rows])
        self._count(tokens=len(rows))
        for row, choice in zip(rows, chosen, strict=True):
            row.last = self._vocabulary.ids[choice]
            row.writing.add(choice, self._vocabulary.texts[choice])
            if choice in self._vocabulary.stop_rows:
                self._end(row, "stop")
                continue
            piece = row.stream.push(row.last)
            if row.stream.stopped:
                self._end(row, "stop", piece)
            elif self._options.stop_on_repetition and repeats_itself(row.stream.text):
                self._end(row, "repetition", piece)
            elif self._is_full(row):
                self._end(row, "length", piece)
            elif piece:
                self._listen(row.job.id, piece, None)

    def _is_full(self, row: _Row) -> bool:
        """At its token limit; a figure that has been begun is finished first."""
        limit = row.job.max_tokens + (_FIGURE if row.writing.inside_figure else 0)
        return len(row.writing.rows) >= limit or row.length + 1 >= self._options.context

    def _end(self, row: _Row, outcome: Outcome, piece: str = "") -> None:
        """Free the row's slot, which the last running row then takes."""
        if row is self._reading:
            self._reading = None
        else:
            slot = self._running.index(row)
            last = self._running.pop()
            if last is not row:
                self._cache.move(len(self._running), slot, last.length)
                self._running[slot] = last
        text = piece if outcome in ("deadline", "cancelled") else piece + row.stream.finish()
        self._listen(row.job.id, text, outcome)

    def _prefix(self, text: str) -> Prefix:
        """The constant beginning's keys and values. Callers use few: one a language."""
        known = self._prefixes.get(text)
        if known is not None:
            return known
        ids = self._model.tokenizer.encode(text, add_special_tokens=False).ids
        if self._model.bos_id is not None:
            ids = [self._model.bos_id, *ids]
        if len(ids) > self._options.context:
            raise ValueError(f"its tokenizer makes {len(ids)} tokens of the beginning of a prompt")
        with torch.inference_mode():
            mask = self._cache.chunk(self._options.rows, 0, len(ids))
            self._forward(self._reader, torch.tensor([ids]), torch.arange(len(ids))[None, :], mask)
            known = self._cache.save(self._options.rows, ids)
        self._prefixes[text] = known
        return known

    def _forward(self, decoder: Any, ids: torch.Tensor, positions: torch.Tensor, mask: Mask) -> torch.Tensor:
        output = decoder(
            input_ids=ids,
            position_ids=positions,
            attention_mask=mask,
            past_key_values=self._cache,
            use_cache=True,
        )
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    def _count(self, **more: float) -> None:
        now = self._stats
        self._stats = msgspec.structs.replace(
            now, **{name: getattr(now, name) + value for name, value in more.items()}
        )
