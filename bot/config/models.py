"""What `config/teller.yaml` may say. Every default is a working one; unknown keys are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, field_validator, model_validator

from bot.config.complaints import Complaints
from bot.config.feedback import Feedback
from bot.config.inference_remote import InferenceRemote
from bot.config.limits import Limits
from bot.config.platforms import Platforms
from bot.config.risk import Risk
from bot.config.section import Positive, Seconds, Section, Share
from bot.config.suitability import Suitability
from bot.config.trust import Trust

__all__ = [
    "Answers",
    "Bank",
    "Bus",
    "Config",
    "Inference",
    "Knowledge",
    "Limits",
    "Localised",
    "Log",
    "Retrieval",
    "Server",
    "Store",
    "Turns",
]


class Localised(Section):
    """A text that customers see, in both languages."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def __getitem__(self, language: Literal["zh", "en"]) -> str:
        return self.zh if language == "zh" else self.en


class Bank(Section):
    """Who is speaking."""

    name: Localised = Localised(zh="澜湾银行", en="Lanwan Bank")
    greeting: Localised = Localised(
        zh="您好，这里是澜湾银行。账户、银行卡、转账、贷款、理财的问题，直接问我就好。",
        en="Hello, this is Lanwan Bank. Ask me about accounts, cards, transfers, loans or investments.",
    )
    hotline: str = "000-95501"
    jurisdiction: str = Field(default="CN", pattern=r"^[A-Z]{2}$")
    """Whose law applies (ISO 3166-1): which rules run, which disclaimers stand under answers, and whether
    suitability is tested here or only estimated."""
    suggestions: tuple[Localised, ...] = ()
    """Questions offered when a chat is new and when Teller doesn't know an answer."""


class Server(Section):
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    """0 takes any free port."""
    public_url: HttpUrl | None = None
    """Where platforms reach this server from outside (https://…), for webhooks and for checking them."""


class Store(Section):
    url: str = "sqlite:///../data/teller.db"
    """`sqlite:///path` (relative to the file that says it) or `postgresql://user:password@host/name`."""

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        if not url.startswith(("sqlite:///", "postgresql://")):
            raise ValueError("must start with sqlite:/// or postgresql://")
        return url


class Bus(Section):
    url: str = "memory://"
    """`memory://` inside one process, or `nats://host:port` between several."""

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        if url != "memory://" and not url.startswith("nats://"):
            raise ValueError("must be memory:// or start with nats://")
        return url


class Knowledge(Section):
    path: Path = Path("knowledge")
    """Folder with `entries/`, `facts/` and `documents/`, relative to the file that says it."""


class Retrieval(Section):
    dense: bool = True
    """False searches by words and characters alone: instant start, weaker on paraphrases."""
    min_confidence: Share = 0.6
    """Below this calibrated probability Teller says that it doesn't know."""
    ask_confidence: Share = 0.3
    """Between this and `min_confidence` it offers the nearest questions as choices."""

    @model_validator(mode="after")
    def _ordered(self) -> Retrieval:
        if self.ask_confidence > self.min_confidence:
            raise ValueError("ask_confidence must not be above min_confidence")
        return self


class Answers(Section):
    generate: Literal["never", "when_needed", "always"] = "when_needed"
    """`when_needed`: entries are quoted in the bank's own words; the model writes where an answer
    must be drawn from a document or from the conversation."""
    history: Annotated[int, Field(ge=0, le=50)] = 6
    """Earlier exchanges that a follow-up may refer to."""
    forget_after_minutes: Positive = 60
    """A question that comes later than this begins a new subject."""


class Inference(Section):
    enabled: bool = True
    model: str = "packaged"
    """`packaged`, a folder, or a Hugging Face model id."""
    adapter: str = "auto"
    """A LoRA adapter to merge into the model: `none`, the folder of one, or `auto`: what was promoted, else
    for the packaged model the one that comes with Teller."""
    dtype: Literal["auto", "int8", "bfloat16", "float32"] = "auto"
    """`int8`: prompts are read in bfloat16 and replies written with weights of eight bits, which takes a
    processor with AVX-512 VNNI; `auto`: that where it has no bfloat16 of its own, else bfloat16."""
    threads: Positive | None = None
    max_batch: Positive = 16
    max_waiting: Positive = 64
    max_tokens: Annotated[int, Field(ge=16, le=512)] = 160
    """Of a reply. What passages, question and reply may take together is 1,024."""
    deadline_s: Seconds = 20
    remote: InferenceRemote = InferenceRemote()
    """A model on another server, used in place of the worker's where it has a URL."""


class Turns(Section):
    concurrency: Positive = 32
    lease_s: Seconds = 30
    tries: Positive = 5
    """Failed tries after which one event is parked as a dead letter and the conversation goes on."""
    retry_s: Seconds = 0.5
    """First pause before another try; doubles each time."""
    shutdown_s: Seconds = 20


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Config(Section):
    """The whole of `config/teller.yaml`."""

    bank: Bank = Bank()
    server: Server = Server()
    store: Store = Store()
    bus: Bus = Bus()
    platforms: Platforms = Platforms()
    knowledge: Knowledge = Knowledge()
    retrieval: Retrieval = Retrieval()
    answers: Answers = Answers()
    inference: Inference = Inference()
    limits: Limits = Limits()
    risk: Risk = Risk()
    complaints: Complaints = Complaints()
    feedback: Feedback = Feedback()
    turns: Turns = Turns()
    trust: Trust = Trust()
    log: Log = Log()
    suitability: Suitability = Suitability()
    staff: Path = Path("staff.yaml")
    """Who works here and where departments are told of tickets, relative to the file that says it. Only a
    file that is named here has to exist."""
    data_dir: Path = Path("../data")
    """Where caches and the embedded database lie, relative to the file that says it."""

    @model_validator(mode="after")
    def _no_full_test_in_china(self) -> Config:
        if self.bank.jurisdiction == "CN" and self.suitability.mode == "full":
            raise ValueError(
                "suitability.mode: full can't be used where bank.jurisdiction is CN: the test belongs on the "
                "bank's own page; leave it out or write prescreen_link"
            )
        return self
