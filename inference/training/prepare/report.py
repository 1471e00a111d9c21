"""What came in, what was dropped and why, and what is left. Never says what a conversation says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inference.training.prepare.intake import BadRow
from inference.training.prepare.shape import REASONS, TURN_REASONS

__all__ = ["Cluster", "Dropped", "Report"]

_ROWS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Dropped:
    count: int
    examples: tuple[str, ...]
    """`file:line` of the first few."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A kept conversation and those dropped because they repeat it."""

    kept: str
    """`file:line`."""
    exact: int
    near: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    out: str
    config: Mapping[str, Any]
    inputs: tuple[Mapping[str, Any], ...]
    """Of each file: name, format, encoding, bytes, sha256, columns (of CSV), conversations."""
    rows: int
    bad: int
    bad_reasons: Mapping[str, int]
    bad_rows: tuple[BadRow, ...]
    read: int
    """Conversations read, those spoilt by a bad row included."""
    dropped: Mapping[str, Dropped]
    dropped_turns: Mapping[str, int]
    """Turns taken out of conversations that were kept or fell out later."""
    clusters: int
    largest_clusters: tuple[Cluster, ...]
    families: Mapping[str, int]
    """`count`, `largest` (members), `joined` (conversations that aren't alone)."""
    splits: Mapping[str, Mapping[str, Any]]
    """Of each split: dialogues, sha256 of its file."""
    statistics: Mapping[str, Any]
    renamed_ids: int
    """Ids given twice, or replaced because they may be personal."""
    warnings: tuple[str, ...]

    def counts(self) -> dict[str, Any]:
        """The last line of the command."""
        return {
            "files": len(self.inputs),
            "rows": self.rows,
            "bad_rows": self.bad,
            "read": self.read,
            "dropped": {reason: what.count for reason, what in self.dropped.items()},
            **{split: figures["dialogues"] for split, figures in self.splits.items()},
            "warnings": len(self.warnings),
            "out": self.out,
        }

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data; the same input and configuration give the same."""
        return {
            "config": dict(self.config),
            "inputs": [dict(item) for item in self.inputs],
            "rows": self.rows,
            "bad_rows": {
                "count": self.bad,
                "reasons": dict(self.bad_reasons),
                "first": [{"where": row.where, "reason": row.reason} for row in self.bad_rows],
            },
            "read": self.read,
            "dropped": {
                reason: {"count": what.count, "means": REASONS[reason], "examples": list(what.examples)}  # type: ignore[index]
                for reason, what in self.dropped.items()
            },
            "dropped_turns": dict(self.dropped_turns),
            "duplicates": {
                "clusters": self.clusters,
                "largest": [
                    {
                        "kept": cluster.kept,
                        "exact": cluster.exact,
                        "near": cluster.near,
                        "examples": list(cluster.examples),
                    }
                    for cluster in self.largest_clusters
                ],
            },
            "families": dict(self.families),
            "splits": {split: dict(figures) for split, figures in self.splits.items()},
            "statistics": dict(self.statistics),
            "renamed_ids": self.renamed_ids,
            "warnings": list(self.warnings),
        }

    def as_markdown(self) -> str:
        return "\n".join(self._markdown()) + "\n"

    def _markdown(self) -> Iterator[str]:
        kept = sum(figures["dialogues"] for figures in self.splits.values())
        yield from ("# Prepared conversations", "")
        files = len(self.inputs)
        yield f"{self.read} conversations read from {self.rows} rows of {files} files; {kept} kept."
        for warning in self.warnings:
            yield from ("", f"**Note:** {warning}")
        yield from ("", "## Read", "", "| file | format | encoding | columns | conversations |")
        yield "|---|---|---|---|---:|"
        for item in self.inputs:
            columns = ", ".join(f"{what}: {_cell(name)}" for what, name in item["columns"].items())
            yield (
                f"| {_cell(item['name'])} | {item['format']} | {item['encoding']} | {columns} | "
                f"{item['conversations']} |"
            )
        if self.bad:
            yield from ("", f"Bad rows skipped: {self.bad}.", "")
            yield from (f"* {_cell(row.where)}: {_cell(row.reason)}" for row in self.bad_rows[:_ROWS_SHOWN])
            if self.bad > _ROWS_SHOWN:
                yield f"* … and more; `report.json` lists {len(self.bad_rows)} of them"
        yield from ("", "## Dropped", "")
        if self.dropped:
            yield from ("| why | | count | first |", "|---|---|---:|---|")
        else:
            yield "Nothing."
        for reason, what in self.dropped.items():
            first = ", ".join(map(_cell, what.examples))
            yield f"| {reason} | {REASONS[reason]} | {what.count} | {first} |"  # type: ignore[index]
        turns = {reason: count for reason, count in self.dropped_turns.items() if count}
        if turns:
            yield from ("", "Turns taken out of conversations:", "")
            yield from (f"* {count} {reason}: {TURN_REASONS[reason]}" for reason, count in turns.items())  # type: ignore[index]
        if self.largest_clusters:
            yield from ("", f"## Duplicates: {self.clusters} clusters", "")
            yield from ("| kept | exact | near | dropped, first |", "|---|---:|---:|---|")
            for cluster in self.largest_clusters:
                first = ", ".join(map(_cell, cluster.examples))
                yield f"| {_cell(cluster.kept)} | {cluster.exact} | {cluster.near} | {first} |"
        yield from ("", "## Kept", "", "| split | conversations | SHA-256 |", "|---|---:|---|")
        for split, figures in self.splits.items():
            yield f"| {split} | {figures['dialogues']} | `{figures['sha256'][:16]}…` |"
        yield ""
        yield (
            f"{self.families['count']} families; the largest has {self.families['largest']} members, and "
            f"{self.families['joined']} conversations have siblings."
        )
        yield from self._figures()

    def _figures(self) -> Iterator[str]:
        figures = self.statistics
        yield from ("", "| | mean | median | 90 % | 99 % | longest |", "|---|---:|---:|---:|---:|---:|")
        for key, name in (
            ("turns", "turns a conversation"),
            ("customer_chars", "characters a customer's turn"),
            ("counter_chars", "characters a counter's turn"),
        ):
            one = figures[key]
            yield f"| {name} | {one['mean']} | {one['p50']} | {one['p90']} | {one['p99']} | {one['max']} |"
        said = ", ".join(f"{language} {count}" for language, count in figures["languages"].items())
        yield from ("", f"Languages: {said}.", "")
        masked = figures["masked"]
        yield f"Something was masked in {masked['share_of_dialogues']:.1%} of the conversations."
        if masked["kinds"]:
            yield from ("", "| kind | pieces | share of conversations |", "|---|---:|---:|")
            for kind, one in masked["kinds"].items():
                yield f"| {kind} | {one['pieces']} | {one['share_of_dialogues']:.1%} |"
        words = figures["words"]
        for language, counts in words["most_frequent"].items():
            listed = ", ".join(f"{word} {count}" for word, count in counts)
            yield from (
                "",
                f"Most frequent words, {language} ({words['counted_in']} conversations): {listed}.",
            )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
