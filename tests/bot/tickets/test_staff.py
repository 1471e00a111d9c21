"""`staff.yaml`: who may do what, where departments are told, and what is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from bot.config import LiveConfig, load
from bot.config.staff import PERMISSIONS, Permission, Person, Role, Staff, StaffFile, can, load_staff
from bot.errors import ConfigError
from bot.tickets.ticket import DEPARTMENTS

ROOT = Path(__file__).parents[3]
TELLER = """
platforms:
  telegram: {enabled: true, bots: [{name: desk, token: "1:a"}]}
  wecom: {enabled: true, corp_id: ww1, groups: [{name: night, key: k}]}
"""


def write(folder: Path, staff: str, teller: str = TELLER) -> Path:
    (folder / "staff.yaml").write_text(staff, encoding="utf-8")
    path = folder / "teller.yaml"
    path.write_text(teller, encoding="utf-8")
    return path


def read(folder: Path, staff: str, teller: str = TELLER) -> Staff:
    return load(write(folder, staff, teller)).staff


def refusal(folder: Path, staff: str, teller: str = TELLER) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, staff, teller)
    return str(caught.value)


def test_the_shipped_file_is_right_and_tells_nobody() -> None:
    staff = load(ROOT / "config" / "teller.yaml").staff
    assert staff.present
    assert staff.base.until == date(2026, 12, 31)
    assert all(staff.channel(department) is None for department in DEPARTMENTS)
    assert staff.file.people == ()


def test_the_examples_in_the_shipped_file_are_right_once_the_platforms_are(tmp_path: Path) -> None:
    lines = (ROOT / "config" / "staff.yaml").read_text(encoding="utf-8").splitlines()
    begin = next(n for n, line in enumerate(lines) if line.strip() == "# default:")
    shown = []
    for number, line in enumerate(lines):
        if line.startswith("calendar:"):
            continue
        commented = line.lstrip().startswith("# ") and number >= begin and "Roles:" not in line
        shown.append(line.replace("# ", "", 1).replace("people: []", "people:") if commented else line)
    text = "\n".join(shown).replace("people: []", "people:")
    teller = """
platforms:
  telegram: {enabled: true, bots: [{token: "1:a"}]}
  slack: {enabled: true, apps: [{app_token: xapp-1, workspaces: [{bot_token: xoxb-1}]}]}
"""
    staff = read(tmp_path, text, teller)
    assert staff.channel("cards") is not None
    assert staff.channel("fraud_risk") != staff.channel("cards")
    assert [person.id for person in staff.file.people] == ["chen.min", "li.hua"]


def test_without_the_file_nobody_is_known(tmp_path: Path) -> None:
    path = tmp_path / "teller.yaml"
    path.write_text("", encoding="utf-8")
    staff = load(path).staff
    assert not staff.present
    assert not staff.may("anybody", "tickets.read")


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    path = tmp_path / "teller.yaml"
    path.write_text("staff: people.yaml\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"people\.yaml: no such file"):
        load(path)


def test_the_default_channel_is_known_by_itself() -> None:
    def staff(departments: dict[str, object]) -> Staff:
        return Staff(StaffFile.model_validate({"departments": departments}))

    assert Staff().default_channel is None
    assert staff({"cards": {"hours": "always"}, "default": {"hours": "always"}}).default_channel is None
    known = staff({"default": {"channel": {"platform": "slack", "chat": "C1"}}})
    assert known.default_channel is not None
    assert known.default_channel == known.channel("cards")


def test_a_department_without_a_channel_falls_back_to_the_default_one(tmp_path: Path) -> None:
    staff = read(
        tmp_path,
        """
departments:
  default: {channel: {platform: wecom, account: night, chat: all}}
  fraud_risk: {channel: {platform: telegram, account: desk, chat: -100123, thread: 17}, hours: always}
  cards: {hours: {working: ["08:00-12:00", "13:00-20:00"]}}
""",
    )
    default, fraud = staff.channel("cards"), staff.channel("fraud_risk")
    assert default is not None
    assert default.key == "wecom|night|all|"
    assert fraud is not None
    assert fraud.key == "telegram|desk|-100123|17"
    assert staff.calendar("fraud_risk").hours.always
    assert len(staff.calendar("cards").hours.working) == 2
    assert staff.calendar("loans").hours == staff.base.hours


@pytest.mark.parametrize(
    ("staff", "line", "words"),
    [
        ("departmets: {}\n", 1, "did you mean 'departments'?"),
        ("departments:\n  frauds: {}\n", 2, "'fraud_risk'"),
        (
            "departments:\n  cards: {channel: {platform: pigeon, chat: x}}\n",
            2,
            "nothing can be posted to 'pigeon'",
        ),
        ("departments:\n  cards:\n    channel: {platform: slack, chat: C1}\n", 3, "slack isn't enabled"),
        (
            "departments:\n  cards:\n    channel:\n      platform: telegram\n      account: other\n"
            "      chat: 1\n",
            5,
            "telegram has no account 'other'; it has desk",
        ),
        ('departments:\n  cards: {hours: {working: ["9-5"]}}\n', 2, "09:00-17:30"),
        ('departments:\n  cards: {hours: {working: ["17:00-09:00"]}}\n', 2, "must end later"),
        (
            'departments:\n  cards: {hours: {working: ["09:00-12:00", "11:00-17:00"]}}\n',
            2,
            "must not overlap",
        ),
        ("people:\n  - {id: a}\n  - {id: a}\n", 3, "given twice"),
        ("people:\n  - {id: a, roles: [boss]}\n", 2, "'supervisor'"),
        (
            "people:\n  - {id: a, accounts: [{platform: slack, user: U1}]}\n"
            "  - {id: b, accounts: [{platform: slack, user: U1}]}\n",
            3,
            "is 'a' already",
        ),
        ("timezone: Mars/Olympus\n", 1, "no time zone"),
        ("calendar: none.yaml\n", 1, "there is no file none.yaml"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(tmp_path: Path, staff: str, line: int, words: str) -> None:
    message = refusal(tmp_path, staff)
    assert f"staff.yaml:{line}: " in message
    assert words in message


def test_what_isn_t_granted_is_denied() -> None:
    agent = Person(id="a", roles=("agent",))
    assert can(agent, "tickets.work")
    assert not can(agent, "personal.reveal")
    assert not can(agent, "no.such.thing")
    assert not can(Person(id="b"), "tickets.read")
    assert not can(None, "tickets.read")


def test_every_role_and_permission_is_used_and_none_may_everything() -> None:
    assert set(PERMISSIONS) == set(get_args(Role))
    granted = frozenset().union(*PERMISSIONS.values())
    assert granted == set(get_args(Permission))
    assert all(allowed < granted for allowed in PERMISSIONS.values())


def test_a_platform_s_user_is_known_on_one_account_or_on_all(tmp_path: Path) -> None:
    staff = read(
        tmp_path,
        """
people:
  - {id: li.hua, roles: [risk], accounts: [{platform: telegram, user: 10001}]}
  - {id: chen.min, roles: [agent], accounts: [{platform: slack, account: main, user: U1}]}
""",
    )
    assert staff.by_account("telegram", "desk", "10001") is staff.person("li.hua")
    assert staff.by_account("slack", "main", "U1") is staff.person("chen.min")
    assert staff.by_account("slack", "other", "U1") is None
    assert staff.by_account("slack", "main", "") is None
    assert staff.may("li.hua", "rules.activate")


def test_a_calendar_that_runs_out_is_told_in_time(tmp_path: Path) -> None:
    staff = load(ROOT / "config" / "teller.yaml").staff
    assert staff.runs_out(date(2026, 11, 10)) == ""
    assert "until 2026-12-31" in staff.runs_out(date(2026, 11, 20))
    assert "until 2026-12-31" in staff.runs_out(date(2027, 3, 1))
    assert "no calendar" in read(tmp_path, "{}").runs_out(date(2026, 11, 10))


def test_a_change_is_live_and_a_bad_one_isn_t(tmp_path: Path) -> None:
    path = write(tmp_path, "people: [{id: a}]\n")
    live = LiveConfig(load(path))
    write(tmp_path, "people: [{id: a}, {id: b, roles: [agent]}]\n")
    assert live.reload()
    assert live.current.staff.may("b", "tickets.work")
    write(tmp_path, "people: [{id: a}, {id: a}]\n")
    assert not live.reload()
    assert "given twice" in live.error
    assert live.current.staff.may("b", "tickets.work")


def test_the_calendar_s_change_is_live_too(tmp_path: Path) -> None:
    days = tmp_path / "days.yaml"
    days.write_text("country: CN\nsource: s\nuntil: 2026-12-31\n", encoding="utf-8")
    live = LiveConfig(load(write(tmp_path, "calendar: days.yaml\n")))
    assert days in live.current.staff.paths
    days.write_text("country: CN\nsource: s\nuntil: 2027-12-31\n", encoding="utf-8")
    assert live.reload()
    assert live.current.staff.base.until == date(2027, 12, 31)


def test_a_platform_s_own_desk_is_known(tmp_path: Path) -> None:
    path = tmp_path / "teller.yaml"
    key = "k" * 43
    path.write_text(
        "platforms: {wecom: {enabled: true, corp_id: ww1, kf: "
        f"[{{name: help, secret: s, token: t, encoding_aes_key: {key}}}]}}}}\n",
        encoding="utf-8",
    )
    config = load(path).config
    assert load_staff(tmp_path / "staff.yaml", config).desks == {("wecom", "help")}
