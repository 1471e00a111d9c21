"""From the configuration to adapters: one for each account of each enabled platform.

A platform's libraries are imported only where it is enabled: they take a second to load.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapters.base import Adapter
from bot.config import Config
from bot.errors import TellerError
from bot.locales import say

__all__ = ["make_adapters"]

COMMANDS = ("start", "help")
"""What customers find in a platform's menu of commands; described in the locales."""


def make_adapters(config: Config) -> list[Adapter]:
    """One adapter for each enabled account.

    Raises:
        TellerError: what is configured can't work; says what to do.
    """
    made: list[Adapter] = []
    try:
        for adapters in (_web, _http, _telegram, _slack, _wecom):
            made += adapters(config)
    except ValueError as error:
        raise TellerError(f"platforms: {error}") from error
    return made


def _web(config: Config) -> Iterator[Adapter]:
    bank, page = config.bank, config.platforms.web
    if page.enabled:
        from adapters.web import Localized, WebAdapter, WebSettings

        yield WebAdapter(
            WebSettings(
                bank_name=Localized(bank.name.zh, bank.name.en),
                greeting=Localized(bank.greeting.zh, bank.greeting.en),
                suggestions=[Localized(s.zh, s.en) for s in bank.suggestions],
                upload_limit_bytes=int(page.upload_limit_mb * 1024 * 1024),
                body_limit_bytes=page.body_limit_kb * 1024,
                secure_cookies=page.secure_cookies,
            )
        )


def _http(config: Config) -> Iterator[Adapter]:
    http = config.platforms.http
    if http.enabled:
        from adapters.http import HttpAdapter

        yield HttpAdapter(
            http.secret.get_secret_value(),
            str(http.deliver_url),
            account=http.account,
            timeout_s=http.timeout_s,
        )


def _telegram(config: Config) -> Iterator[Adapter]:
    telegram = config.platforms.telegram
    if not telegram.enabled:
        return
    from adapters.telegram import MenuCommand, TelegramAdapter, TelegramSettings

    menu = tuple(
        MenuCommand(name, say(f"command.{name}", "zh"), say(f"command.{name}", "en")) for name in COMMANDS
    )
    for bot in telegram.bots:
        public_url = str(config.server.public_url or "").rstrip("/")
        if bot.receive == "webhook" and not public_url:
            raise TellerError(
                f"platforms.telegram: the bot {bot.name!r} receives by webhook: set server.public_url to the "
                "https address at which Telegram reaches this server, or use receive: polling"
            )
        yield TelegramAdapter(
            TelegramSettings(
                token=bot.token.get_secret_value(),
                account=bot.name,
                receive=bot.receive,
                base_url=telegram.base_url,
                base_file_url=telegram.base_file_url,
                public_url=public_url,
                webhook_secret=bot.webhook_secret.get_secret_value(),
                proxy=telegram.proxy,
                timeout_s=telegram.timeout_s,
                staff_chats=frozenset(bot.staff_chats),
                commands=menu,
                group_commands=menu[-1:],
            )
        )


def _slack(config: Config) -> Iterator[Adapter]:
    slack = config.platforms.slack
    if not slack.enabled:
        return
    from adapters.slack import SlackAdapter, SlackSettings, SlackWorkspace

    for application in slack.apps:
        workspaces = tuple(
            SlackWorkspace(w.name, w.bot_token.get_secret_value(), w.team_id) for w in application.workspaces
        )
        yield SlackAdapter(
            SlackSettings(
                workspaces=workspaces,
                account=application.name,
                signing_secret=application.signing_secret.get_secret_value(),
                app_token=application.app_token.get_secret_value(),
                base_url=slack.base_url,
                timeout_s=slack.timeout_s,
            )
        )


def _wecom(config: Config) -> Iterator[Adapter]:
    wecom, bank = config.platforms.wecom, config.bank
    if not wecom.enabled:
        return
    from adapters.wecom import aibot, app, kf, webhook

    for number, self_built in enumerate(wecom.apps):
        yield app.WeComAppAdapter(
            app.WeComApp(
                corp_id=self_built.corp_id or wecom.corp_id,
                agent_id=self_built.agent_id,
                secret=self_built.secret.get_secret_value(),
                token=self_built.token.get_secret_value(),
                encoding_aes_key=self_built.encoding_aes_key.get_secret_value(),
                account=self_built.name,
                bare_path=number == 0,
                api_base=wecom.api_base,
                cards=self_built.cards,
                timeout_s=wecom.timeout_s,
            )
        )
    for number, desk in enumerate(wecom.kf):
        yield kf.KfAdapter(
            kf.WeComKf(
                corp_id=desk.corp_id or wecom.corp_id,
                secret=desk.secret.get_secret_value(),
                token=desk.token.get_secret_value(),
                encoding_aes_key=desk.encoding_aes_key.get_secret_value(),
                account=desk.name,
                bare_path=number == 0,
                open_kfids=desk.open_kfids,
                servicers=desk.servicers,
                departments=desk.departments,
                api_base=wecom.api_base,
                timeout_s=wecom.timeout_s,
            )
        )
    bare = next((bot.name for bot in wecom.aibots if not bot.by_connection), "")
    for bot in wecom.aibots:
        settings = aibot.WeComAibot(
            account=bot.name,
            bare_path=bot.name == bare,
            token=bot.token.get_secret_value(),
            encoding_aes_key=bot.encoding_aes_key.get_secret_value(),
            bot_id=bot.bot_id,
            secret=bot.secret.get_secret_value(),
            bot_name=bot.bot_name,
            welcome_zh=bank.greeting.zh,
            welcome_en=bank.greeting.en,
            ws_url=wecom.aibot_ws_url,
            api_base=wecom.api_base,
            timeout_s=wecom.timeout_s,
        )
        yield aibot.aibot(settings)
    for group in wecom.groups:
        yield webhook.WeComGroupAdapter(
            webhook.WeComGroup(
                key=group.key.get_secret_value(),
                account=group.name,
                webhook_base=wecom.webhook_base,
                timeout_s=wecom.timeout_s,
            )
        )
