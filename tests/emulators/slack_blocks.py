"""Slack's rules for blocks and what a reader would see of them.

Rules: https://docs.slack.dev/reference/block-kit/blocks and /composition-objects
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

__all__ = ["BlockError", "check_blocks", "seen_in_blocks", "seen_in_markdown", "seen_in_mrkdwn"]

Json = dict[str, Any]

TOTAL = 13_000
"""Characters of all blocks of one message (measured by others; msg_blocks_too_long)."""

_KEYS: dict[str, set[str]] = {
    "section": {"type", "block_id", "text", "fields", "accessory", "expand"},
    "header": {"type", "block_id", "text", "level"},
    "context": {"type", "block_id", "elements"},
    "actions": {"type", "block_id", "elements"},
    "divider": {"type", "block_id"},
    "rich_text": {"type", "block_id", "elements"},
    "markdown": {"type", "block_id", "text"},
}
_BUTTON = {"type", "action_id", "text", "value", "url", "style", "confirm", "accessibility_label"}


class BlockError(Exception):
    """Carries Slack's error code."""


def _need(condition: bool, code: str = "invalid_blocks") -> None:
    if not condition:
        raise BlockError(code)


def check_blocks(blocks: Any) -> None:
    """Raise what Slack would answer to these blocks."""
    _need(isinstance(blocks, list), "invalid_blocks_format")
    _need(len(blocks) <= 50)
    for block in blocks:
        _need(isinstance(block, dict) and block.get("type") in _KEYS)
        _need(set(block) <= _KEYS[block["type"]])
        _CHECKS[block["type"]](block)
    _need(_size(blocks) <= TOTAL, "msg_blocks_too_long")


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return sum(_size(key) + _size(item) for key, item in value.items())
    return sum(_size(item) for item in value) if isinstance(value, list) else 4


def _text(value: Any, limit: int, *, plain: bool = False) -> None:
    _need(isinstance(value, dict) and value.get("type") in ("plain_text", "mrkdwn"))
    _need(not plain or value["type"] == "plain_text")
    allowed = {"type", "text", "emoji"} if value["type"] == "plain_text" else {"type", "text", "verbatim"}
    _need(set(value) <= allowed and isinstance(value.get("text"), str))
    _need(1 <= len(value["text"]) <= limit)


def _section(block: Json) -> None:
    _need("text" in block or "fields" in block)
    if "text" in block:
        _text(block["text"], 3000)
    if "fields" in block:
        _need(isinstance(block["fields"], list) and 1 <= len(block["fields"]) <= 10)
        for field in block["fields"]:
            _text(field, 2000)


def _context(block: Json) -> None:
    _need(isinstance(block.get("elements"), list) and 1 <= len(block["elements"]) <= 10)
    for element in block["elements"]:
        _text(element, 3000)


def _actions(block: Json) -> None:
    elements = block.get("elements")
    _need(isinstance(elements, list) and 1 <= len(elements) <= 25)
    assert isinstance(elements, list)
    ids = []
    for element in elements:
        _need(isinstance(element, dict) and element.get("type") == "button" and set(element) <= _BUTTON)
        _text(element.get("text"), 75, plain=True)
        _need(len(element.get("value", "")) <= 2000 and 1 <= len(element.get("action_id", "")) <= 255)
        ids.append(element["action_id"])
    _need(len(set(ids)) == len(ids))


def _rich_text(block: Json) -> None:
    _need(isinstance(block.get("elements"), list) and len(block["elements"]) >= 1)
    for section in block["elements"]:
        _need(section.get("type") == "rich_text_section" and isinstance(section.get("elements"), list))
        _need(len(section["elements"]) >= 1)
        for element in section["elements"]:
            if element.get("type") == "text":
                _need(set(element) <= {"type", "text", "style"} and bool(element.get("text")))
            else:
                _need(element.get("type") == "link" and set(element) <= {"type", "url", "text", "style"})
                _need(re.match(r"https?://\S+$", element.get("url", "")) is not None)


_CHECKS: dict[str, Callable[[Json], None]] = {
    "section": _section,
    "header": lambda block: _text(block.get("text"), 150, plain=True),
    "context": _context,
    "actions": _actions,
    "divider": lambda block: None,
    "rich_text": _rich_text,
    "markdown": lambda block: _need(1 <= len(block.get("text", "")) <= 12_000),
}


# ── what is seen ──


def seen_in_mrkdwn(text: str) -> str:
    """A mrkdwn text as read: links by label, entities resolved."""
    text = re.sub(r"<([^|<>]+)\|([^<>]+)>", r"\2", text)
    return html.unescape(re.sub(r"<([^<>]+)>", r"[PING \1]", text))


def seen_in_markdown(text: str) -> str:
    """A streamed Markdown text as read, for texts whose marks are escaped."""
    # A line break's two spaces; and two that the writer left at a line's end aren't seen either.
    text = html.unescape(text.replace("  \n", "\n").replace("  \n", "\n"))
    return re.sub(r"\\([\\`*_{}\[\]()#+\-.!~>|])", r"\1", text)


def seen_in_blocks(blocks: list[Json]) -> str:
    """Everything readable in blocks, one block a line, without buttons."""
    lines = []
    for block in blocks:
        match block["type"]:
            case "rich_text":
                elements = [e for section in block["elements"] for e in section["elements"]]
                lines.append("".join(e.get("text") or e.get("url", "") for e in elements))
            case "section" | "header" | "context":
                texts = [block["text"]] if "text" in block else []
                for text in texts + block.get("fields", []) + block.get("elements", []):
                    shown = text["text"]
                    lines.append(seen_in_mrkdwn(shown) if text["type"] == "mrkdwn" else shown)
            case "markdown":
                lines.append(seen_in_markdown(block["text"]))
    return "\n".join(lines)
