"""`teller feedback`: what was thought of answers, its review, and the training rows that come of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from bot.cli.common import (
    DEFAULT_CONFIG,
    ConfigOption,
    ends_cleanly,
    fail,
    open_config,
    open_store,
    run_async,
    say_line,
)
from bot.cli.custody import ByOption, approvals, now
from bot.config import LiveConfig
from bot.feedback.desk import FeedbackDesk
from bot.feedback.dialogues import Ground, Left, as_dialogues
from bot.feedback.item import Item, Status
from bot.feedback.rows import Exchange, as_messages
from bot.tickets import numbers
from bot.types import Language, Passage

__all__ = ["app"]

app = typer.Typer(
    help="What was thought of answers: review it, export it for training.", no_args_is_help=True
)

SHOWN = 60
"""Characters of a question or reply in a list."""
TextOption = Annotated[str, typer.Option("--text", help="The right answer.")]
PassageOption = Annotated[
    list[str] | None,
    typer.Option("--passage", help="Id of a passage it stands on, where that isn't the answer's own."),
]
IdsArgument = Annotated[list[int], typer.Argument(help="Numbers as `teller feedback list` shows them.")]


@app.command("list")
def list_feedback(
    config: ConfigOption = DEFAULT_CONFIG,
    status: Annotated[str | None, typer.Option(help="new, approved or rejected.", show_default="new")] = None,
    every: Annotated[bool, typer.Option("--all", help="Reviewed feedback too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many to show.")] = 100,
) -> None:
    """List feedback, the oldest first: what waits for review, unless told otherwise. Texts are masked."""
    if status is not None and every:
        raise fail("give --all or --status, not both", 2)
    if status is not None and status not in get_args(Status):
        raise fail(f"--status is one of {', '.join(get_args(Status))}", 2)
    wanted: Status | None = None if every else status or "new"  # type: ignore[assignment]
    run_async(_list(open_config(config), wanted, limit))


async def _list(live: LiveConfig, status: Status | None, limit: int) -> None:
    async with _opened(live) as desk:
        found = await desk.items(status=status, limit=limit + 1)
    for item in found[:limit]:
        said = item.text if item.kind != "vote" else item.reply
        say_line(
            f"{item.id:>6}  {item.status:<8} {_what(item):<12} {_at(item.at)}  "
            f"{_short(desk.masked(item.question))}  →  {_short(desk.masked(said))}"
        )
    if not found:
        say_line("no feedback waits for review" if status == "new" else "there is none")
    if len(found) > limit:
        typer.echo(f"there are more than these {limit}: --limit N shows more", err=True)


@app.command()
def show(id: int, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show one piece of feedback with the exchange it is about, masked as in an export."""
    run_async(_show(open_config(config), id))


async def _show(live: LiveConfig, id: int) -> None:
    async with _opened(live, answers=True) as desk:
        item = await desk.item(id)
    facts = [
        ("feedback", str(item.id)),
        ("what", _what(item)),
        ("by", item.whose),
        ("at", _at(item.at)),
        ("status", item.status + (f" by {item.reviewed_by}" if item.reviewed_by else "")),
        ("conversation", item.conversation),
        ("passages", ", ".join(item.passages) or "none"),
    ]
    for name, value in facts:
        say_line(f"{name:<14}{value}")
    gone = "(not kept any more)"
    texts = [("question", desk.masked(item.question) or gone)]
    texts += [("reply", desk.masked_reply(item.reply)), ("instead", desk.masked_reply(item.text))]
    for name, text in texts:
        if text:
            say_line(f"\n{name}:\n{text}")


@app.command()
def correct(
    message: Annotated[str, typer.Argument(help="Number of feedback on the answer, or the message's key.")],
    text: TextOption,
    by: ByOption = "",
    passage: PassageOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Say what an answer should have been. A colleague reviews it."""
    on = passage or []

    def say(desk: FeedbackDesk) -> Awaitable[int]:
        return desk.correct(message, text, by=by.strip(), passages=on, now=now())

    run_async(_say_instead(open_config(config), say, by, on))


@app.command()
def resolution(
    number: Annotated[str, typer.Argument(help="The ticket.")],
    text: TextOption,
    by: ByOption = "",
    passage: PassageOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Say what answered the question of a ticket. A colleague reviews it."""
    with ends_cleanly():
        known = numbers.parse(number)
    on = passage or []

    def say(desk: FeedbackDesk) -> Awaitable[int]:
        return desk.resolution(known, text, by=by.strip(), passages=on, now=now())

    run_async(_say_instead(open_config(config), say, by, on))


async def _say_instead(
    live: LiveConfig, say: Callable[[FeedbackDesk], Awaitable[int]], by: str, passages: Sequence[str]
) -> None:
    approvals(live).require("feedback.correct", by)
    _require_known(live, passages)
    async with _opened(live, answers=True) as desk:
        id = await say(desk)
    say_line(f"feedback {id}: a colleague reviews it with `teller feedback approve {id} --by STAFF`")


@app.command()
def approve(ids: IdsArgument, by: ByOption = "", config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Let feedback be learnt from: a 👍 says that the answer is good, a 👎 that it is bad. Not one's own."""
    run_async(_review(open_config(config), ids, "approved", by))


@app.command()
def reject(ids: IdsArgument, by: ByOption = "", config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Keep feedback from being learnt from, also what was approved before."""
    run_async(_review(open_config(config), ids, "rejected", by))


async def _review(live: LiveConfig, ids: Sequence[int], status: Status, by: str) -> None:
    approvals(live).require("feedback.review", by)
    async with _opened(live) as desk:
        found = await desk.review(ids, status, by=by.strip(), now=now())
    say_line(f"{status}: {', '.join(str(item.id) for item in found)}")


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", help="The file; one that is there is replaced.")],
    by: ByOption = "",
    dialogues: Annotated[
        bool, typer.Option("--dialogues", help="In the generator's form: passages, and turns over them.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write what was approved, masked, as JSON lines. Never what wasn't reviewed. Goes on the record."""
    run_async(_export(open_config(config), out, by, dialogues))


async def _export(live: LiveConfig, out: Path, by: str, dialogues: bool) -> None:
    approvals(live).require("feedback.export", by)
    left: Left = Counter()
    appended = [words for one in live.current.disclaimers.all for words in (one.text["zh"], one.text["en"])]
    gap_s = live.config.answers.forget_after_minutes * 60
    async with _opened(live, answers=True) as desk:
        runs = await desk.reviewed(gap_s=gap_s, leave_out=appended)
        rows = _dialogues(live, runs, left) if dialogues else [as_messages(run) for run in runs]
        body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        form = "dialogues" if dialogues else "messages"
        await desk.note_export(form, len(rows), hashlib.sha256(body).hexdigest(), by=by.strip(), now=now())
    _write(out, body)
    kept = sum(len(run) for run in runs) - left.total()
    say_line(f"{out}: look over a sample before you train on it or pass it on")
    say_line(json.dumps({"rows": len(rows), "exchanges": kept, "left_out": dict(left)}, ensure_ascii=False))


def _dialogues(live: LiveConfig, runs: Sequence[Sequence[Exchange]], left: Left) -> list[dict[str, Any]]:
    from bot.assembly import make_guard
    from inference.generator.refusal import refuses
    from inference.training.dialogues import LONGEST, MOST_PASSAGES, MOST_TURNS

    passages, guard = _passages(live), make_guard()

    def objection(reply: str, on: Sequence[Passage], question: str) -> str:
        verdict = guard.check(reply, on, question=question)
        return "" if verdict.ok else verdict.reason

    ground = Ground(
        passage=lambda id, language: passages.get((id, language)),
        objection=objection,
        refuses=refuses,
        longest={"zh": LONGEST["zh"], "en": LONGEST["en"]},
        most_passages=MOST_PASSAGES,
        most_turns=MOST_TURNS,
    )
    return [row for run in runs for row in as_dialogues(run, ground, left)]


def _write(out: Path, body: bytes) -> None:
    """The whole file or none, for its owner's eyes."""
    beside = out.with_name(f".{out.name}.unfinished")
    try:
        # Whatever lies there is another's, or a link to elsewhere: it isn't written through.
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
        beside.replace(out)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise fail(f"{out}: {error.strerror}", 2) from None


# ── inside ──


@asynccontextmanager
async def _opened(live: LiveConfig, *, answers: bool = False) -> AsyncIterator[FeedbackDesk]:
    """
    Args:
        answers: whether answers are taken in or handed out, which hold the bank's own numbers.
    """
    from bot.assembly import make_masker
    from inference.privacy.leaks import stated_in

    own = [live.config.bank.hotline, *(p.text for p in _passages(live).values())] if answers else []
    store = await open_store(live)
    try:
        yield FeedbackDesk(store, make_masker(), stated=stated_in(own))
    finally:
        await store.close()


def _passages(live: LiveConfig) -> dict[tuple[str, Language], Passage]:
    """The knowledge as it is now, without the search over it."""
    from inference.retrieval.knowledge import load_knowledge

    knowledge = load_knowledge(live.current.knowledge_path)
    both: tuple[Language, ...] = get_args(Language)
    return {(item.passage.id, lang): item.passage for lang in both for item in knowledge.items(lang)}


def _require_known(live: LiveConfig, ids: Sequence[str]) -> None:
    known = {id for id, _ in _passages(live)} if ids else set()
    for id in ids:
        if id not in known:
            raise fail(f"the knowledge has no passage {id!r}; `teller kb search` shows ids", 2)


def _what(item: Item) -> str:
    return {"up": "👍", "down": "👎"}.get(item.verdict, item.kind)


def _at(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"
