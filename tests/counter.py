"""A small counter on disk: configuration and knowledge for tests that run the real thing."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.safe import approve_all, engine_of

__all__ = ["SECRET", "write_config"]

SECRET = "a secret for the tests"


def write_config(
    folder: Path,
    *,
    deliver_port: int = 1,
    store_url: str = "sqlite:///store.db",
    bus_url: str = "memory://",
    lease_s: float = 30,
    **sections: dict[str, object],
) -> Path:
    """Write a `teller.yaml` with a small knowledge beside it; `sections` are laid over it."""
    knowledge = folder / "knowledge" / "entries"
    knowledge.mkdir(parents=True, exist_ok=True)
    entries = [
        {
            "id": f"{topic}.{name}",
            "topic": topic,
            "zh": {"question": zh, "answer": f"{zh}：请到网点或手机银行办理。"},
            "en": {"question": en, "answer": f"{en} Visit a branch or use the app."},
        }
        for topic, name, zh, en in (
            ("accounts", "open", "怎么开户", "How do I open an account?"),
            ("cards", "lost", "卡丢了怎么办", "What if I lose my card?"),
            ("transfers", "time", "转账要多久", "How long does a transfer take?"),
        )
    ]
    (knowledge / "all.yaml").write_text(yaml.safe_dump({"entries": entries}, allow_unicode=True))
    approve_all(engine_of(folder / "rules"), folder / "rules")
    config: dict[str, object] = {
        "store": {"url": store_url},
        "bus": {"url": bus_url},
        "data_dir": str(folder / "data"),
        "knowledge": {"path": str(folder / "knowledge")},
        "retrieval": {"dense": False},
        "inference": {"enabled": False},
        "platforms": {
            "web": {"enabled": False},
            "http": {
                "enabled": True,
                "secret": SECRET,
                "deliver_url": f"http://127.0.0.1:{deliver_port}/deliver",
            },
        },
        "turns": {"lease_s": lease_s},
        "limits": {"enabled": False},
        "risk": {"attention": False},
        "suitability": {"enabled": False},
        "log": {"level": "warning", "format": "json"},
    }
    for name, section in sections.items():
        config[name] = {**config.get(name, {}), **section}  # type: ignore[dict-item]
    path = folder / "teller.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True))
    return path
