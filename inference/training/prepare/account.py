"""What a preparation says of itself: its report, or why nothing is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from inference.training.prepare.config import PrepareConfig
from inference.training.prepare.intake import BadRow
from inference.training.prepare.personal import mask_name
from inference.training.prepare.report import Dropped, Report
from inference.training.prepare.shape import REASONS, TURN_REASONS
from inference.training.prepare.source import SourceFile
from inference.training.prepare.split import SPLITS, Split
from inference.training.prepare.statistics import Statistics

if TYPE_CHECKING:
    from inference.training.prepare.pipeline import Preparation

__all__ = ["EXAMPLES", "nothing_left", "report_of"]

EXAMPLES = 5
"""How many of a kind are shown."""
_LARGE_FAMILY = 0.2
"""Share of all conversations from which one family makes the split's shares unreachable."""


def _settings(config: PrepareConfig) -> dict[str, Any]:
    """The configuration as reports show it: names of people in files and among the speakers are masked."""
    shown = config.model_dump(mode="json", exclude={"out"})
    for entry in shown["inputs"]:
        entry["files"] = mask_name(entry["files"])
    shown["roles"] = {role: [mask_name(name) for name in names] for role, names in shown["roles"].items()}
    return shown


def nothing_left(work: Preparation) -> str:
    """What to say where no conversation is left."""
    counts, rows = work.dropped.counts, work.intake
    lines = [
        f"nothing is left to train on: {counts.total()} conversations in {rows.rows} rows, {rows.bad} of "
        "them bad. Nothing was written."
    ]
    for reason, count in counts.most_common():
        first = ", ".join(work.dropped.examples[reason])
        lines.append(f"  {count} {reason} ({REASONS[reason]}): {first}")
    lines += [f"  {row}" for row in rows.bad_rows[:EXAMPLES]]
    for name, columns in [*rows.columns.items()][:EXAMPLES]:
        lines.append(f"  {name}: read from the columns {', '.join(columns.values())}")
    return "\n".join(lines)


def report_of(
    work: Preparation,
    files: list[SourceFile],
    figures: dict[Split, dict[str, Any]],
    statistics: Statistics,
) -> Report:
    """What was read, dropped and written, with what is to be minded."""
    config, dropped = work.config, work.dropped
    sizes = Counter(work.families.roots())
    return Report(
        out=str(config.out),
        config=_settings(config),
        inputs=tuple(
            {
                "name": source.name,
                "format": source.format,
                "encoding": source.encoding.removesuffix("-sig"),
                "bytes": source.size,
                "sha256": source.sha256,
                "columns": work.intake.columns.get(source.name, {}),
                "conversations": work.conversations[source.name],
            }
            for source in files
        ),
        rows=work.intake.rows,
        bad=work.intake.bad,
        bad_reasons=dict(work.intake.reasons.most_common()),
        bad_rows=tuple(BadRow(row.where, row.reason) for row in work.intake.bad_rows),
        read=work.conversations.total(),
        dropped={
            reason: Dropped(dropped.counts[reason], tuple(dropped.examples[reason]))
            for reason in REASONS
            if dropped.counts[reason]
        },
        dropped_turns={reason: dropped.turns[reason] for reason in TURN_REASONS},
        clusters=len(work.repeats),
        largest_clusters=work.largest_clusters(),
        families={
            "count": len(sizes),
            "largest": max(sizes.values()),
            "joined": sum(size for size in sizes.values() if size > 1),
        },
        splits={str(split): figure for split, figure in figures.items()},
        statistics=statistics.as_dict(),
        renamed_ids=work.renamed,
        warnings=tuple(_warnings(work, files, figures, max(sizes.values()))),
    )


def _warnings(
    work: Preparation, files: list[SourceFile], figures: dict[Split, dict[str, Any]], largest: int
) -> Iterator[str]:
    kept = sum(figure["dialogues"] for figure in figures.values())
    for source in files:
        if not source.size:
            yield f"{source.name} is empty"
    for split in SPLITS:
        if getattr(work.config.split, split) and not figures[split]["dialogues"]:
            yield f"{split} got no conversation: none of the {kept} fell into its share"
    if work.intake.unsure:
        yield (
            f"{work.intake.unsure} lines of plain text begin with a word and a colon and were taken for what "
            "the speaker before goes on to say; if one of the words is a speaker, name it under `roles`"
        )
    if work.duplicates.unindexed:
        yield (
            f"{work.duplicates.unindexed} conversations stand among very many that resemble them; later ones "
            "weren't compared with these, so near repetitions of them may be kept, or stand in two splits"
        )
    if largest > max(1, _LARGE_FAMILY * kept) and kept >= 10:
        yield (
            f"one family of siblings holds {largest} of {kept} conversations, so the shares of the split may "
            "be far off; look at what repeats (greetings, templates) or raise near_duplicates.sibling"
        )
