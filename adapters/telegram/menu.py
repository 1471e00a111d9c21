"""The commands menu beside the input field: per kind of chat and per language, set only when changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from telegram import (
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
)

from adapters.telegram.api import Api
from adapters.telegram.settings import MenuCommand, TelegramSettings
from bot.types import Language

__all__ = ["Menu", "menus", "outdated", "put_menus"]


@dataclass(frozen=True, slots=True)
class Menu:
    scope: BotCommandScope
    language_code: str
    """Empty: for every language that has no menu of its own."""
    commands: tuple[BotCommand, ...]


LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")


def menus(settings: TelegramSettings) -> Iterator[Menu]:
    """All menus there should be."""
    scoped: list[tuple[BotCommandScope, Sequence[MenuCommand]]] = [
        (BotCommandScopeAllPrivateChats(), settings.commands),
        (BotCommandScopeAllGroupChats(), settings.group_commands),
        *((BotCommandScopeChat(chat), settings.staff_commands) for chat in sorted(settings.staff_chats)),
    ]
    for scope, commands in scoped:
        if not commands:
            continue
        yield Menu(scope, "", _in(settings.language, commands))
        for language in LANGUAGES:
            yield Menu(scope, language, _in(language, commands))


async def outdated(api: Api, settings: TelegramSettings) -> list[Menu]:
    """The menus that aren't as they should be. Raises TelegramError."""
    changed = []
    for menu in menus(settings):
        shown = await api.get_my_commands(menu.scope, menu.language_code or None)
        if tuple(shown) != menu.commands:
            changed.append(menu)
    return changed


async def put_menus(api: Api, settings: TelegramSettings) -> int:
    """Set what isn't as it should be; how many. Raises TelegramError."""
    changed = await outdated(api, settings)
    for menu in changed:
        await api.set_my_commands(menu.commands, menu.scope, menu.language_code or None)
    return len(changed)


def _in(language: Language, commands: Sequence[MenuCommand]) -> tuple[BotCommand, ...]:
    return tuple(BotCommand(c.command, c.zh if language == "zh" else c.en) for c in commands)
