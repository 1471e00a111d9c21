"""What the updates of the Bot API become, without a wire."""

from __future__ import annotations

import copy
import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from adapters.telegram.api import Me
from adapters.telegram.events import Malformed, Parsed, Reader, replied_message
from adapters.telegram.settings import TelegramSettings
from adapters.telegram.webhook import Webhook
from bot.types import File, Image, InboundEvent, Location, Sticker, Text, Voice, encode
from tests.emulators.telegram import TOKEN
from tests.emulators.telegram_world import Chat, Customer, World

CASES = 10_000
"""Hostile updates."""
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
BOT = {"id": 1234567890, "is_bot": True, "first_name": "T", "username": "teller_bot"}
OTHER_BOT = {"id": 55, "is_bot": True, "first_name": "B", "username": "other_bot"}


class Desk:
    """A world whose updates are read at once."""

    def __init__(self, *, privacy: bool = False) -> None:
        self.updates: list[dict[str, Any]] = []
        bot = {**BOT, "can_read_all_group_messages": not privacy}
        self.world = World(bot, self._push, lambda: 1_790_000_000.0)
        self.wang = self.world.customer("王芳")

    def _push(self, update: dict[str, Any]) -> dict[str, Any]:
        update = {"update_id": 100 + len(self.updates), **update}
        self.updates.append(update)
        return update

    def read(self, update: dict[str, Any], *, staff: frozenset[str] = frozenset()) -> Parsed:
        reader = Reader("default", Me(1234567890, "teller_bot"), staff)
        return reader.read(json.dumps(update).encode(), now=NOW, correlation="c1")

    def event(self, update: dict[str, Any], *, staff: frozenset[str] = frozenset()) -> InboundEvent:
        event = self.read(update, staff=staff).event
        assert event is not None
        return event


@pytest.fixture
def desk() -> Desk:
    return Desk()


# ── what customers send ──


def test_a_caption_is_text_and_of_a_photo_the_largest_size_is_taken(desk: Desk) -> None:
    update = desk.wang.photo("这张卡的额度是多少")
    event = desk.event(update)
    largest = max(update["message"]["photo"], key=lambda size: size["width"])
    assert event.parts == (
        Text("这张卡的额度是多少"),
        Image(largest["file_id"], "image/jpeg", largest["file_size"]),
    )


def test_each_picture_of_an_album_is_its_own_event_in_order(desk: Desk) -> None:
    events = [desk.event(desk.wang.photo(caption, album="a1")) for caption in ("三张图", "", "")]
    assert [event.text for event in events] == ["三张图", "", ""]
    assert len({event.event_id for event in events}) == 3
    assert all(isinstance(event.parts[-1], Image) for event in events)


def test_a_document_keeps_its_name_and_type(desk: Desk) -> None:
    [part] = desk.event(desk.wang.document("流水.pdf")).parts
    assert isinstance(part, File)
    assert (part.name, part.mime, part.size) == ("流水.pdf", "application/pdf", 4)


def test_a_voice_note_keeps_its_length(desk: Desk) -> None:
    [part] = desk.event(desk.wang.voice(seconds=7)).parts
    assert isinstance(part, Voice)
    assert (part.mime, part.seconds) == ("audio/ogg", 7.0)


VIDEO = {"file_id": "v", "file_unique_id": "u", "width": 1, "height": 1, "duration": 1}


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"audio": {"file_id": "a", "file_unique_id": "u", "duration": 61, "mime_type": "audio/mp4"}},
         Voice("a", "audio/mp4", 0, 61.0)),
        ({"location": {"latitude": 31.2, "longitude": 121.5}}, Location(31.2, 121.5)),
        ({"venue": {"location": {"latitude": 31.2, "longitude": 121.5}, "title": "支行", "address": "陆家嘴"},
          "location": {"latitude": 31.2, "longitude": 121.5}}, Location(31.2, 121.5, "支行 · 陆家嘴")),
        ({"sticker": {"file_id": "s", "file_unique_id": "u", "type": "regular", "width": 512, "height": 512,
                      "is_animated": False, "is_video": False, "emoji": "👍"}}, Sticker("s", "👍")),
        ({"dice": {"emoji": "🎲", "value": 3}}, Sticker("", "🎲")),
        ({"video": VIDEO}, File("v", "video/mp4")),
        ({"animation": VIDEO, "document": {"file_id": "v", "file_unique_id": "u"}}, File("v")),
        ({"video_note": {"file_id": "n", "file_unique_id": "u", "length": 240, "duration": 3}},
         File("n", "video/mp4")),
        ({"contact": {"phone_number": "13800000000", "first_name": "李"}}, Text("李 13800000000")),
    ],
)  # fmt: skip
def test_every_kind_of_content_has_its_part(desk: Desk, content: dict[str, Any], part: object) -> None:
    event = desk.event(desk.wang.send(**content))
    assert (event.kind, event.parts) == ("message", (part,))


@pytest.mark.parametrize("kind", ["poll", "story", "checklist", "paid_media", "game"])
def test_content_that_has_no_part_is_still_answered_however_it_is_shaped(desk: Desk, kind: str) -> None:
    assert desk.event(desk.wang.send(**{kind: {"shape": "of a later Bot API"}})).parts == ()


def test_what_the_library_cannot_read_beside_a_text_does_not_cost_the_text(desk: Desk) -> None:
    later = {"poll": {"id": "1"}, "reply_to_message": {"message_id": 1, "poll": {"id": 1}}, "quote": 7}
    update = desk.wang.say("利率多少")
    update["message"] |= later | {"reply_to_message": {**update["message"], "poll": {"id": 1}}}
    assert desk.event(update).text == "利率多少"


def test_an_edit_is_an_edit_with_the_new_words(desk: Desk) -> None:
    first = desk.wang.say("挂失借记卡")
    event = desk.event(desk.wang.edit(first, "挂失信用卡"))
    assert (event.kind, event.text) == ("edit", "挂失信用卡")
    assert event.event_id != desk.event(first).event_id


def test_a_live_locations_steps_are_not_messages(desk: Desk) -> None:
    update = desk.wang.send(location={"latitude": 1.0, "longitude": 2.0, "live_period": 60})
    moved = {"update_id": 9, "edited_message": {**update["message"], "edit_date": 1_790_000_005}}
    assert desk.read(moved).ignored == "unknown_type"


def test_a_service_message_is_nobodys(desk: Desk) -> None:
    assert desk.read(desk.wang.send(new_chat_title="x")).ignored == "unknown_type"
    pinned = {"message_id": 1, "date": 1, "chat": desk.wang.chat.described()}
    assert desk.read(desk.wang.send(pinned_message=pinned)).ignored == "unknown_type"


def test_the_time_is_the_messages_own(desk: Desk) -> None:
    event = desk.event(desk.wang.say("你好"))
    assert (event.occurred_at.timestamp(), event.received_at) == (1_790_000_000.0, NOW)


# ── commands ──


@pytest.mark.parametrize(
    ("text", "command", "arguments"),
    [
        ("/start", "/start", ""),
        ("/START", "/start", ""),
        ("/start branch_42", "/start", "branch_42"),
        ("/rate@teller_bot 三年\n定期", "/rate", "三年\n定期"),
        ("/help@TELLER_BOT", "/help", ""),
    ],
)
def test_a_command_and_its_arguments_are_told_apart(
    desk: Desk, text: str, command: str, arguments: str
) -> None:
    event = desk.event(desk.wang.say(text))
    assert (event.kind, event.value, event.text) == ("command", command, arguments)


@pytest.mark.parametrize(
    "text", ["/usr/bin", "/挂失", "/100 元", "https://a.example/start", "请发 /help", "/"]
)
def test_what_only_looks_like_a_command_is_text(desk: Desk, text: str) -> None:
    event = desk.event(desk.wang.say(text))
    assert (event.kind, event.text) == ("message", text)


# ── groups ──


def test_a_group_message_that_is_not_for_the_bot_is_left_alone(desk: Desk) -> None:
    group = desk.world.group()
    for text in ("大家好", "@other_bot 你好", "邮箱 a@teller_bot", "/rate@other_bot 三年", "teller_bot"):
        assert desk.read(desk.wang.say(text, group)).ignored == "not_addressed", text


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("@teller_bot 信用卡丢了怎么办", "信用卡丢了怎么办"),
        ("@Teller_Bot，信用卡丢了", "信用卡丢了"),
        ("😀👍🏽 信用卡丢了 @teller_bot", "😀👍🏽 信用卡丢了"),
        ("@teller_bot: @wang 的卡丢了", "@wang 的卡丢了"),
        ("@teller_bot", ""),
    ],
)
def test_a_mention_is_answered_and_taken_out(desk: Desk, said: str, meant: str) -> None:
    event = desk.event(desk.wang.say(said, desk.world.group()))
    assert (event.kind, event.text, event.conversation.kind) == ("message", meant, "group")


def test_a_mention_by_name_of_the_bot_itself_counts(desk: Desk) -> None:
    group = desk.world.group()
    entity = {"type": "text_mention", "offset": 0, "length": 2, "user": BOT}
    message = desk.world.keep(
        group, {"from": desk.wang.person, "text": "柜台 利率多少", "entities": [entity]}
    )
    assert desk.event({"update_id": 1, "message": message}).text == "利率多少"


def test_a_mention_in_a_caption_counts(desk: Desk) -> None:
    update = desk.wang.photo("@teller_bot 这是什么")
    group = {**update, "message": {**update["message"], "chat": desk.world.group().described()}}
    assert desk.event(group).text == "这是什么"


def test_a_reply_to_the_bot_is_for_it_and_one_to_a_person_is_not(desk: Desk) -> None:
    group = desk.world.group()
    ours = desk.world.keep(group, {"from": BOT, "text": "三年定期 1.5%"})
    theirs = desk.world.keep(group, {"from": desk.wang.person, "text": "哦"})
    event = desk.event(desk.wang.say("那五年呢", group, reply_to=ours["message_id"]))
    assert (event.text, event.in_reply_to) == ("那五年呢", str(ours["message_id"]))
    assert desk.read(desk.wang.say("对", group, reply_to=theirs["message_id"])).ignored == "not_addressed"


@pytest.mark.parametrize("text", ["/rate@teller_bot", "/rate"])
def test_a_command_in_a_group_is_for_the_bot_unless_it_names_another(desk: Desk, text: str) -> None:
    assert desk.event(desk.wang.say(text, desk.world.group())).value == "/rate"


def test_an_edited_group_message_is_read_by_the_same_rule(desk: Desk) -> None:
    group = desk.world.group()
    first = desk.wang.say("利率", group)
    assert desk.read(desk.wang.edit(first, "大家好")).ignored == "not_addressed"
    assert desk.event(desk.wang.edit(first, "@teller_bot 利率")).text == "利率"


def test_a_topic_is_the_thread_and_general_is_none(desk: Desk) -> None:
    forum = desk.world.group(forum=True)
    topic = desk.world.topic(forum, "贷款", by=desk.wang.person)
    in_topic = desk.event(desk.wang.say("@teller_bot 利率", forum, thread=topic))
    assert (in_topic.conversation.thread, in_topic.in_reply_to) == (str(topic), "")
    assert desk.event(desk.wang.say("@teller_bot 利率", forum)).conversation.thread == ""
    general = desk.wang.say("@teller_bot 利率", forum, thread=1)
    assert desk.event(general).conversation.thread == ""


def test_in_a_topic_that_the_bot_opened_not_everything_is_for_it(desk: Desk) -> None:
    forum = desk.world.group(forum=True)
    topic = desk.world.topic(forum, "贷款")
    assert desk.read(desk.wang.say("大家好", forum, thread=topic)).ignored == "not_addressed"


def test_a_reply_chain_outside_a_forum_is_no_thread(desk: Desk) -> None:
    update = desk.wang.say("@teller_bot 利率", desk.world.group())
    chained = {**update, "message": {**update["message"], "message_thread_id": 17}}
    assert desk.event(chained).conversation.thread == ""


def test_in_a_staff_chat_everything_is_read(desk: Desk) -> None:
    group = desk.world.group("柜员")
    update = desk.wang.say("好的，我来处理", group)
    assert desk.event(update, staff=frozenset({str(group.id)})).text == "好的，我来处理"


# ── who isn't a customer ──


def test_bots_and_channels_are_ignored(desk: Desk) -> None:
    group = desk.world.group()
    own = desk.world.keep(group, {"from": BOT, "text": "/rate"})
    other = desk.world.keep(group, {"from": OTHER_BOT, "text": "@teller_bot 你好"})
    channel = {"id": -1009, "type": "channel", "title": "公告"}
    linked = {"from": {"id": 777000, "is_bot": False, "first_name": "Telegram"}, "sender_chat": channel}
    forwarded = desk.world.keep(group, {**linked, "is_automatic_forward": True, "text": "@teller_bot 公告"})
    for message in (own, other, forwarded):
        assert desk.read({"update_id": 1, "message": message}).ignored == "own_message"
    post = {"message_id": 1, "date": 1, "chat": channel, "text": "公告"}
    assert desk.read({"update_id": 1, "channel_post": post}).ignored == "unknown_type"


def test_an_administrator_who_writes_as_the_group_is_a_person(desk: Desk) -> None:
    group = desk.world.group("客户群")
    anonymous = {"id": 1087968824, "is_bot": True, "first_name": "Group"}
    update = desk.wang.say("@teller_bot 利率", group)
    written = {**update["message"], "from": anonymous, "sender_chat": group.described()}
    event = desk.event({**update, "message": written})
    assert (event.sender.id, event.sender.name, event.sender.is_bot) == (str(group.id), "客户群", False)


# ── what happens around messages ──


def test_blocking_and_unblocking_are_told(desk: Desk) -> None:
    blocked, unblocked = desk.event(desk.wang.block()), desk.event(desk.wang.unblock())
    assert (blocked.kind, blocked.value, blocked.conversation.chat) == (
        "system",
        "blocked",
        str(desk.wang.id),
    )
    assert (unblocked.kind, unblocked.value) == ("system", "unblocked")


def test_being_added_to_a_group_is_a_join_and_being_removed_a_block(desk: Desk) -> None:
    group = desk.world.group()
    told, seen = desk.wang.invite(group)
    for update in (told, seen):
        parsed = desk.read(update)
        assert parsed.event is not None
        assert (parsed.event.kind, parsed.joined, parsed.event.conversation.chat) == (
            "join",
            True,
            str(group.id),
        )
    removed = desk.event(desk.world.membership(group, desk.wang.person, "member", "kicked"))
    assert (removed.kind, removed.value) == ("system", "blocked")
    promoted = desk.world.membership(group, desk.wang.person, "member", "member")
    assert desk.read(promoted).ignored == "unknown_type"


def test_a_group_that_moved_tells_where_to(desk: Desk) -> None:
    group = desk.world.group(basic=True)
    new = desk.world.migrate(group)
    assert [desk.read(update).moved for update in desk.updates[-2:]] == [(group.id, new.id)] * 2


# ── buttons ──


def shown(desk: Desk, chat: Chat, **extra: Any) -> dict[str, Any]:
    keys = [[{"text": "补卡", "callback_data": "kb:cards.replace"}]]
    return desk.world.keep(
        chat, {"from": BOT, "text": "选", "reply_markup": {"inline_keyboard": keys}, **extra}
    )


def test_a_pressed_button_gives_its_value_and_its_label(desk: Desk) -> None:
    update = desk.wang.press(shown(desk, desk.wang.chat), "补卡")
    parsed = desk.read(update)
    assert parsed.event is not None
    assert (parsed.event.kind, parsed.event.value, parsed.event.text) == (
        "button",
        "kb:cards.replace",
        "补卡",
    )
    assert parsed.callback == update["callback_query"]["id"]


def test_a_button_under_a_message_long_gone_still_works(desk: Desk) -> None:
    event = desk.event(desk.wang.press(shown(desk, desk.wang.chat), "补卡", forgotten=True))
    assert (event.value, event.text, event.conversation.chat) == ("kb:cards.replace", "", str(desk.wang.id))


def test_a_user_described_in_few_words_is_still_one(desk: Desk) -> None:
    update = desk.wang.say("利率")
    update["message"]["from"] = {"id": desk.wang.id}
    assert desk.event(update).sender.id == str(desk.wang.id)
    query = {
        "id": "9",
        "from": {"id": desk.wang.id},
        "data": "y",
        "message": {"chat": desk.wang.chat.described()},
    }
    assert desk.event({"update_id": 1, "callback_query": query}).value == "y"


def test_a_button_in_a_topic_belongs_to_the_topic(desk: Desk) -> None:
    forum = desk.world.group(forum=True)
    message = shown(desk, forum, message_thread_id=7, is_topic_message=True)
    event = desk.event(desk.wang.press(message, "补卡"))
    assert (event.conversation.thread, event.sender.id) == ("7", str(desk.wang.id))


def test_a_button_without_data_is_answered_and_no_more(desk: Desk) -> None:
    query = {"id": "9", "from": desk.wang.person, "chat_instance": "1", "inline_message_id": "x", "data": "y"}
    parsed = desk.read({"update_id": 1, "callback_query": query})
    assert (parsed.event, parsed.callback, parsed.ignored) == (None, "9", "unknown_type")


def test_a_group_event_names_the_message_that_an_answer_replies_to(desk: Desk) -> None:
    update = desk.wang.say("@teller_bot 利率", desk.world.group())
    event = desk.event(update)
    assert event.event_id == f"{update['update_id']}:{update['message']['message_id']}"
    assert replied_message(event.event_id) == update["message"]["message_id"]
    assert replied_message(desk.event(desk.wang.say("利率")).event_id) is None
    assert replied_message("7:²") is None


# ── hostile input ──


def _corpus() -> list[dict[str, Any]]:
    desk = Desk()
    wang: Customer = desk.wang
    forum, basic = desk.world.group(forum=True), desk.world.group(basic=True)
    first = wang.say("@teller_bot 利率 /rate", forum, thread=desk.world.topic(forum, "t"))
    wang.edit(first, "@teller_bot 五年")
    wang.photo("看 @teller_bot")
    wang.document()
    wang.voice()
    wang.send(venue={"location": {"latitude": 1.0, "longitude": 2.0}, "title": "a", "address": "b"})
    wang.send(contact={"phone_number": "1", "first_name": "李"})
    wang.press(shown(desk, wang.chat), "补卡")
    wang.press(shown(desk, forum), "补卡", forgotten=True)
    wang.block()
    wang.invite(forum)
    desk.world.migrate(basic)
    return desk.updates


CORPUS = _corpus()
JUNK: list[Any] = [
    None, True, 0, -1, 2**31, 2**63 - 1, 2**70, 1.5, 1e308, "", "x", "长" * 50, "@teller_bot", "\x00", "😀",
    [], [[]], [None], {}, {"id": 1}, {"type": "mention", "offset": -5, "length": 10**9}, [{"type": "code"}],
]  # fmt: skip


def damaged(seed: int) -> bytes:
    """A real update with one to four of its values put wrong, left out or moved."""
    dice = random.Random(seed)
    update = copy.deepcopy(dice.choice(CORPUS))
    for _ in range(dice.randint(1, 4)):
        holder: Any = update
        for _ in range(dice.randint(0, 6)):
            inner = [value for value in _values(holder) if isinstance(value, dict | list) and value]
            if not inner:
                break
            holder = dice.choice(inner)
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            continue
        key = dice.choice(keys)
        if dice.random() < 0.25 and isinstance(holder, dict):
            del holder[key]
        else:
            holder[key] = copy.deepcopy(dice.choice([*JUNK, dice.choice(CORPUS)]))
    return json.dumps(update).encode()


def _values(holder: Any) -> list[Any]:
    return list(holder.values()) if isinstance(holder, dict) else list(holder)


@hypothesis(max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**48))
def test_each_of_ten_thousand_damaged_updates_is_taken_or_refused(seed: int) -> None:
    reader = Reader("default", Me(1234567890, "teller_bot"))
    try:
        event = reader.read(damaged(seed), now=NOW, correlation="c").event
    except Malformed:
        return
    # What is accepted can be stored.
    assert event is None or encode(event)


async def test_damaged_updates_are_200_or_400_and_the_damage_is_neither_too_much_nor_too_little() -> None:
    reader = Reader("default", Me(1234567890, "teller_bot"))
    webhook = Webhook(TelegramSettings(TOKEN))
    outcomes = {200: 0, 400: 0}

    async def take(raw: bytes) -> None:
        reader.read(raw, now=NOW, correlation="c")

    webhook._take = take
    for seed in range(500):
        outcomes[(await webhook.handle(damaged(seed))).status] += 1
    assert min(outcomes.values()) > 50


@hypothesis(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        ["update_id", "message", "chat", "from", "text", "id", "date", "entities"]
                    ),
                    inner,
                )
            ),
            max_leaves=20,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_reading_gives_an_answer_or_malformed_and_nothing_else(body: bytes) -> None:
    reader = Reader("default", Me(1, "teller_bot"))
    try:
        parsed = reader.read(body, now=NOW, correlation="c")
    except Malformed:
        return
    assert (parsed.event is None) == bool(parsed.ignored)
