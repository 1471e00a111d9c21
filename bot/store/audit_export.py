"""The record as a file: JSON lines and a signed trailer, that the audit key alone can check.

    {"seq": 7, "at": …, "kind": …, "conversation": …, "correlation_id": …, "data": …, "origin": "",
     "mac": …, "before": …}
    {"trailer": {"format": "teller-audit-1", "entries": …, "first": …, "last": …, "head": …, "since": …,
     "until": …, "conversation": …, "sha256": …}, "mac": …}

`before` is the mac of the entry before, so each line can be checked alone, in a selection too. An export of
everything is also held against the head it names.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection

from bot.store.audit import Finding, entries, entry_mac, head_of, macs_before
from bot.types import encode

__all__ = ["FORMAT", "Selection", "lines", "verify_lines"]

FORMAT = "teller-audit-1"


class Line(msgspec.Struct, frozen=True):
    seq: int
    at: float
    kind: str
    conversation: str
    correlation_id: str
    data: str
    origin: str
    mac: str
    before: str


@dataclass(frozen=True, slots=True)
class Selection:
    since: float | None = None
    until: float | None = None
    conversation: str = ""


def lines(connection: Connection, key: bytes, selection: Selection) -> Iterator[bytes]:
    """The file, line by line, without line ends."""
    count, _, base, base_mac = head_of(connection, key)
    digest, number, first, last = hashlib.sha256(), 0, 0, 0
    known = {base + 1: base_mac}
    chosen = entries(
        connection, since=selection.since, until=selection.until, conversation=selection.conversation
    )
    for row in chosen:
        before = known.pop(row.seq, None) or macs_before(connection, [row.seq]).get(row.seq, "")
        known = {row.seq + 1: row.mac}
        line = encode(
            Line(
                row.seq,
                float(row.at),
                row.kind,
                row.conversation,
                row.correlation_id,
                row.data,
                row.origin,
                row.mac,
                before,
            )
        )
        digest.update(line + b"\n")
        number, first, last = number + 1, first or row.seq, row.seq
        yield line
    trailer: dict[str, Any] = {
        "format": FORMAT,
        "entries": number,
        "first": first,
        "last": last,
        "head": count,
        "base": base,
        "since": selection.since,
        "until": selection.until,
        "conversation": selection.conversation,
        "sha256": digest.hexdigest(),
    }
    yield encode({"trailer": trailer, "mac": _sign(key, trailer)})


def verify_lines(source: Iterator[bytes], key: bytes) -> Finding:
    """Check a file that `lines` made. Needs no database."""
    digest, number = hashlib.sha256(), 0
    previous: Line | None = None
    trailer: dict[str, Any] | None = None
    bad: Finding | None = None
    for raw in source:
        text = raw.rstrip(b"\n")
        if trailer is not None:
            return Finding(number, 0, "something follows the trailer: added")
        if text.startswith(b'{"trailer"'):
            try:
                trailer = msgspec.json.decode(text)
            except msgspec.DecodeError:
                return Finding(number, 0, "the trailer can't be read: edited")
            continue
        digest.update(text + b"\n")
        try:
            line = msgspec.json.decode(text, type=Line)
        except msgspec.DecodeError:
            bad = bad or Finding(number, 0, f"line {number + 1} can't be read: edited")
            continue
        bad = bad or _wrong(line, previous, number, key)
        previous, number = line, number + 1
    if trailer is None:
        return bad or Finding(number, 0, "the trailer is missing: the file was cut off")
    body = trailer.get("trailer")
    if not isinstance(body, dict) or not hmac.compare_digest(_sign(key, body), str(trailer.get("mac"))):
        return bad or Finding(number, 0, "the trailer isn't signed by this audit key: edited, or another key")
    if bad is not None:
        return bad
    if body["entries"] != number or body["sha256"] != digest.hexdigest():
        return Finding(number, 0, f"{body['entries']} entries were exported, and these aren't they")
    whole = body["since"] is None and body["until"] is None and not body["conversation"]
    if whole and number != body["head"] - body["base"]:
        return Finding(
            number, 0, f"the record had {body['head'] - body['base']} entries when it was exported"
        )
    return Finding(number)


def _wrong(line: Line, previous: Line | None, number: int, key: bytes) -> Finding | None:
    if not hmac.compare_digest(entry_mac(key, line.before, line), line.mac):
        return Finding(number, line.seq, f"entry {line.seq} ({line.kind}) isn't what was recorded: edited")
    if previous is not None and line.seq <= previous.seq:
        return Finding(number, line.seq, f"entry {line.seq} stands out of order")
    if previous is not None and line.seq == previous.seq + 1 and line.before != previous.mac:
        return Finding(number, line.seq, f"entry {line.seq} doesn't follow the one before it")
    return None


def _sign(key: bytes, trailer: dict[str, Any]) -> str:
    return hmac.new(key, b"export " + encode(trailer), hashlib.sha256).hexdigest()
