"""`prepare`: read, clean, mask, drop what repeats, split, report.

One pass over the input writes what is kept to a spool; a second, over the spool, writes the splits, when
all families are known. In memory stay hashes and counts, and one CSV file's turns.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bot.errors import TellerError
from inference.privacy import mask
from inference.retrieval.text import fold
from inference.training.prepare.account import EXAMPLES, nothing_left, report_of
from inference.training.prepare.clean import Cleaner
from inference.training.prepare.config import FORMATS, PrepareConfig
from inference.training.prepare.dedup import Duplicates, digest_of
from inference.training.prepare.dialogue import Dialogue, Turn, canonical
from inference.training.prepare.intake import Intake
from inference.training.prepare.language import DialogueLanguage
from inference.training.prepare.output import JsonLines, put_in_place, staging, write_private, writes_to
from inference.training.prepare.personal import mask_name, mask_turns
from inference.training.prepare.read import read
from inference.training.prepare.report import Cluster, Report
from inference.training.prepare.roles import RoleNames
from inference.training.prepare.shape import Reason, TurnReason, shape
from inference.training.prepare.source import SourceFile, examine
from inference.training.prepare.split import SPLITS, Families, Split, assign
from inference.training.prepare.statistics import Statistics
from inference.training.prepare.words import words_of

__all__ = ["Preparation", "Progress", "prepare"]

Progress = Callable[[str, int, int], None]
"""Told (stage, done, of all): bytes while reading, conversations while writing."""

_CLUSTERS = 20
_WORDS_FROM = 20_000
"""Conversations whose words are counted, evenly spread: jieba is the slowest step."""
_TELL_EVERY = 64
_PERSONAL = re.compile(r"\d{7}|[\u3400-\u9fff]")
"""In an id: a long number, or 汉字, which may be a name."""
_LONGEST_ID = 64


class _Spooled(msgspec.Struct, frozen=True, array_like=True):
    """A kept conversation between the two passes."""

    id: str
    source: str
    language: DialogueLanguage
    turns: list[Turn]
    masked: dict[str, int]


@dataclass(slots=True)
class _Dropped:
    counts: Counter[Reason] = field(default_factory=Counter)
    examples: defaultdict[Reason, list[str]] = field(default_factory=lambda: defaultdict(list))
    turns: Counter[TurnReason] = field(default_factory=Counter)

    def add(self, reason: Reason, source: str) -> None:
        self.counts[reason] += 1
        if len(self.examples[reason]) < EXAMPLES:
            self.examples[reason].append(source)


@dataclass(slots=True)
class _Repeats:
    """Those dropped because they repeat one that is kept."""

    exact: int = 0
    near: int = 0
    examples: list[str] = field(default_factory=list)


class Preparation:
    """Both passes over the conversations, and what was counted on the way."""

    def __init__(self, config: PrepareConfig, folder: Path, progress: Progress) -> None:
        self.config = config
        self.folder = folder
        self.progress = progress
        self.intake = Intake(config.max_bad_rows)
        self.dropped = _Dropped()
        self.families = Families()
        self.keys: list[bytes] = []
        self.repeats: defaultdict[int, _Repeats] = defaultdict(_Repeats)
        self.conversations: Counter[str] = Counter()
        self.renamed = 0
        self.duplicates = Duplicates(config.near_duplicates, config.seed)
        self._clean = Cleaner(config.clean)
        self._ids: set[str] = set()
        self._by_given_id: dict[str, int] = {}
        self._kept_at: dict[int, str] = {}

    # ── first pass ───────────────────────────────────────────────────────────────────────────────

    def gather(self, files: list[SourceFile]) -> None:
        """Read everything; what is kept goes to the spool."""
        total = sum(source.size for source in files)
        roles = RoleNames(self.config.roles)
        with writes_to(self.config.out):
            spool = JsonLines(self.folder / "spool")
        try:
            done = 0
            for source in files:
                tell = partial(self._tell, done, total)
                for dialogue in read(source, self.intake, roles, tell):
                    self.conversations[source.name] += 1
                    kept = self._keep(dialogue)
                    if kept is not None:
                        with writes_to(self.config.out):
                            spool.write(kept)
                for where in self.intake.spoilt:
                    self.conversations[source.name] += 1
                    self.dropped.add("bad_row", where)
                for where in self.intake.disliked:
                    self.conversations[source.name] += 1
                    self.dropped.add("bad_reply", where)
                self.intake.spoilt.clear()
                self.intake.disliked.clear()
                done += source.size
            self.intake.settle()
            with writes_to(self.config.out):
                spool.close()
        finally:
            spool.abandon()

    def _tell(self, done: int, total: int, more: int) -> None:
        self.progress("reading", done + more, total)

    def _keep(self, dialogue: Dialogue) -> _Spooled | None:
        turned: Counter[TurnReason] = Counter()
        shaped = shape(dialogue.turns, self._clean, self.config.limits, turned)
        if isinstance(shaped, str):
            self.dropped.add(shaped, dialogue.source)
            return None
        self.dropped.turns.update(turned)
        turns, language = shaped
        if language not in self.config.languages:
            self.dropped.add("language", dialogue.source)
            return None
        turns, masked = mask_turns(turns)
        folded = fold("\n".join(turn.text for turn in turns))
        digest = digest_of(folded)
        found = self.duplicates.look(folded, digest)
        if found.kind != "new":
            self._note_repeat(found.of, found.kind == "exact", dialogue.source)
            return None
        number = self.families.add()
        for sibling in found.siblings:
            self.families.join(sibling, number)
        self._kept_at[number] = dialogue.source
        self._join_by_id(dialogue.id, number)
        by_id = self.config.split.by == "id" and dialogue.id
        self.keys.append(dialogue.id.encode() if by_id else digest)
        kinds = {str(kind): count for kind, count in sorted(masked.items())}
        return _Spooled(self._id(dialogue.id, digest), dialogue.source, language, list(turns), kinds)

    def _note_repeat(self, of: int, exact: bool, source: str) -> None:
        self.dropped.add("exact_duplicate" if exact else "near_duplicate", source)
        repeats = self.repeats[of]
        repeats.exact += exact
        repeats.near += not exact
        if len(repeats.examples) < EXAMPLES:
            repeats.examples.append(source)

    def _join_by_id(self, given: str, number: int) -> None:
        """Two with one id may be parts of one conversation."""
        if given:
            other = self._by_given_id.setdefault(given, number)
            if other != number:
                self.families.join(other, number)

    def _id(self, given: str, digest: bytes) -> str:
        """The given id if it is fit to be kept, else one made of the masked words; never twice the same."""
        fit = given and len(given) <= _LONGEST_ID and not _PERSONAL.search(given) and given.isprintable()
        base = given if fit and mask(given).text == given else f"d-{digest.hex()[:16]}"
        id, n = base, 1
        while id in self._ids:
            n += 1
            id = f"{base}#{n}"
        self._ids.add(id)
        self.renamed += bool(given) and id != given
        return id

    def largest_clusters(self) -> tuple[Cluster, ...]:
        ordered = sorted(self.repeats.items(), key=lambda item: (-item[1].exact - item[1].near, item[0]))
        return tuple(
            Cluster(self._kept_at[kept], repeats.exact, repeats.near, tuple(repeats.examples))
            for kept, repeats in ordered[:_CLUSTERS]
        )

    # ── second pass ──────────────────────────────────────────────────────────────────────────────

    def divide(self) -> tuple[dict[Split, dict[str, Any]], Statistics]:
        """Write each split's file."""
        sides = assign(self.keys, self.families, self.config.split, self.config.seed)
        statistics = Statistics()
        stride = -(-len(sides) // _WORDS_FROM)
        with writes_to(self.config.out):
            files = {split: JsonLines(self.folder / f"{split}.jsonl") for split in SPLITS}
            try:
                for n, (row, side) in enumerate(zip(self._spooled(), sides, strict=True)):
                    turns = tuple(row.turns)
                    dialogue = Dialogue(row.id, turns, row.source)
                    files[side].write(canonical(dialogue, language=row.language))
                    statistics.add(turns, row.language, Counter(row.masked))
                    if n % stride == 0:
                        statistics.add_words(words_of(dialogue.text), row.language)
                    if n % _TELL_EVERY == 0:
                        self.progress("writing", n, len(sides))
                self.progress("writing", len(sides), len(sides))
                figures = {
                    split: {"dialogues": file.count, "sha256": file.close()} for split, file in files.items()
                }
            finally:
                for file in files.values():
                    file.abandon()
        return figures, statistics

    def _spooled(self) -> Iterator[_Spooled]:
        decode = msgspec.json.Decoder(_Spooled).decode
        with (self.folder / "spool").open("rb") as file:
            for line in file:
                yield decode(line)


def prepare(config: PrepareConfig, progress: Progress | None = None) -> Report:
    """Prepare conversations as configured; writes `train`, `dev` and `test.jsonl`, `report.json` and
    `report.md` into `config.out`, all or none.

    Raises:
        TellerError: a file can't be read or written, too many rows are bad, or nothing is left.
    """
    files = [
        examine(path, _name(path, config.folder), entry.format or FORMATS[path.suffix.lower()],
                blank_line_ends=entry.blank_line_ends)
        for path, entry in config.files()
    ]  # fmt: skip
    with staging(config.out) as folder:
        work = Preparation(config, folder, progress or (lambda stage, done, total: None))
        work.gather(files)
        if not work.keys:
            raise TellerError(nothing_left(work))
        figures, statistics = work.divide()
        report = report_of(work, files, figures, statistics)
        with writes_to(config.out):
            text = json.dumps(report.as_dict(), ensure_ascii=False, indent=2) + "\n"
            write_private(folder / "report.json", text)
            write_private(folder / "report.md", report.as_markdown())
        put_in_place(
            folder, config.out, [*(f"{split}.jsonl" for split in SPLITS), "report.md", "report.json"]
        )
    return report


def _name(path: Path, folder: Path) -> str:
    """A file as reports show it; a customer's name or number in it is masked."""
    shown = path.relative_to(folder) if path.is_relative_to(folder) else path
    return mask_name(str(shown))
