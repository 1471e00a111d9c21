"""`teller eval`: hold Teller against data. The last line is one JSON object of metrics."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.common import DEFAULT_CONFIG, ConfigOption, ends_cleanly, need, open_config, run_async, say_line
from bot.logs import set_up_logs
from bot.types import Assessment

__all__ = ["app"]

app = typer.Typer(help="Measure quality on data.", no_args_is_help=True)

KbOption = Annotated[
    Path | None, typer.Option("--kb", help="JSONL: doc_id, question?, answer, answer_group?")
]
QueriesOption = Annotated[
    Path | None, typer.Option("--queries", help="JSONL: query, gold_doc, gold_answer_group?")
]


@app.command()
def retrieval(
    kb: KbOption = None,
    queries: QueriesOption = None,
    paraphrases: Annotated[
        Path | None, typer.Option("--paraphrases", help="JSONL: query, gold_doc; known wordings of entries")
    ] = None,
    dense: Annotated[bool, typer.Option(help="Use the dense encoder too.")] = True,
    failures: Annotated[int, typer.Option(help="Show that many failed queries.")] = 0,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Recall and rank of the right entry; without --kb, on held-out paraphrases of Teller's own knowledge."""
    from inference.evaluation.retrieval import evaluate_knowledge, evaluate_retrieval

    _need_both(kb, queries)
    with ends_cleanly():
        if kb is not None and queries is not None:
            report = evaluate_retrieval(kb, queries, paraphrases, dense=dense, failures=failures > 0)
            parts = [report]
        else:
            live = open_config(config)
            cache = live.current.data_dir / "cache" / "embeddings"
            report = evaluate_knowledge(
                live.current.knowledge_path, cache=cache, dense=dense, failures=failures > 0
            )
            parts = [part for part in report.values() if isinstance(part, dict)]
    for part in parts:
        for failure in part.pop("failures", [])[:failures]:
            say_line(json.dumps(failure, ensure_ascii=False))
    say_line(json.dumps(report, ensure_ascii=False))


@app.command()
def answers(
    kb: KbOption = None,
    queries: QueriesOption = None,
    model: Annotated[bool, typer.Option(help="Let the model write where it would.")] = True,
    limit: Annotated[int, typer.Option(help="Use at most this many queries; 0 for all.")] = 0,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Whole answers: how many are given, grounded, free of unsupported figures, and cite the right entry."""
    from bot.evaluation import evaluate_answers

    _need_both(kb, queries)
    live = open_config(config)
    set_up_logs(live.config.log.model_copy(update={"level": "error"}))
    report = run_async(evaluate_answers(live, kb, queries, model=model, limit=limit))
    say_line(json.dumps(report, ensure_ascii=False))


@app.command()
def risk(
    cases: Annotated[
        Path,
        typer.Option("--cases", help="JSONL: text, expected_action, acceptable[], hard_negative?, context"),
    ],
    attention: Annotated[bool, typer.Option(help="Let the classifier raise what no rule has caught.")] = True,
    failures: Annotated[int, typer.Option(help="Show that many cases that weren't exact.")] = 0,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """The risk rules as they run: exact and acceptable actions, critical misses, false alarms, speed."""
    from datetime import UTC, datetime

    from inference.evaluation.risk import evaluate_risk, read_cases
    from inference.rules import RuleEngine, load_rules
    from inference.rules.approvals import approved_digests

    with ends_cleanly():
        live = open_config(config)
        folder, settings = live.current.rules_path, live.config.risk
        rules = load_rules(folder, today=datetime.now(UTC).date())
        engine = RuleEngine(
            rules, approved=approved_digests(folder), jurisdiction=live.config.bank.jurisdiction
        )
        raised = _raised() if attention and settings.attention else None
        report = evaluate_risk(engine, read_cases(cases), raised, failures=failures > 0)
    for failure in report.pop("failures", [])[:failures]:
        say_line(json.dumps(failure, ensure_ascii=False))
    say_line(json.dumps(report, ensure_ascii=False))


def _raised() -> Callable[[str, Assessment], Assessment] | None:
    """What the classifier does."""
    from inference.rules.attention import load_head

    head = load_head()
    return None if head is None else head.raised


@app.command()
def pii(
    cases: Annotated[
        Path,
        typer.Option(
            "--cases", help="JSONL: text, spans[{start, end, type}] in code points, must_not_match[]"
        ),
    ],
    failures: Annotated[int, typer.Option(help="Show that many texts where a span was missed or wrong.")] = 0,
) -> None:
    """Finding personal data: precision, recall and F1 by exact position, by type, and speed."""
    from inference.evaluation.pii import evaluate_pii

    with ends_cleanly():
        report = evaluate_pii(cases, failures=failures > 0)
    for failure in report.pop("failures", [])[:failures]:
        say_line(json.dumps(failure, ensure_ascii=False))
    say_line(json.dumps(report, ensure_ascii=False))


@app.command("complaint", hidden=True)
@app.command()
def complaints(
    cases: Annotated[
        Path,
        typer.Option(
            "--cases",
            "--test",
            help="JSONL: text, expected_department, acceptable_departments[], expected_severity, "
            "is_complaint",
        ),
    ],
    dense: Annotated[bool, typer.Option(help="Use the encoder too; without it, words alone.")] = True,
    failures: Annotated[int, typer.Option(help="Show that many cases with anything wrong.")] = 0,
) -> None:
    """Routing of complaints: the right department, the right severity, and whether it is one at all."""
    from inference.complaints import Complaints
    from inference.evaluation.complaints import evaluate_complaints, read_cases

    with ends_cleanly():
        labelled = read_cases(cases)
        encode = None
        if dense:
            from inference.retrieval.adapter import AdaptedEncoder

            encoder = AdaptedEncoder()
            encode = lambda texts: encoder.encode(texts, "query")  # noqa: E731
        report = evaluate_complaints(Complaints.load(), labelled, encode, failures=failures > 0)
    for failure in report.pop("failures", [])[:failures]:
        say_line(json.dumps(failure, ensure_ascii=False))
    say_line(json.dumps(report, ensure_ascii=False))


def _need_both(kb: Path | None, queries: Path | None) -> None:
    if (kb is None) != (queries is None):
        raise typer.BadParameter("give --kb and --queries together, or neither")


TestOption = Annotated[Path, typer.Option("--test", help="JSONL: text, label")]


@app.command()
def intent(test: TestOption, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """The intent classifier in use: accuracy, macro F1, documents a second."""
    _measure("intent", test, config)


@app.command()
def sentiment(test: TestOption, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """The sentiment classifier in use: accuracy, macro F1, documents a second."""
    _measure("sentiment", test, config)


@app.command()
def topic(test: TestOption, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """The digest's topic classifier in use, on `topic` or `label`: accuracy, macro F1, documents a second."""
    _measure("topic", test, config)


def _measure(name: str, test: Path, config: Path) -> None:
    from inference.classify import load_classifier
    from inference.evaluation.classify import measure, read_labelled

    with ends_cleanly():
        live = open_config(config)
        rows = read_labelled(test, name if _has(test, name) else "label")
        report = measure(load_classifier(name, live.current.data_dir / "models"), rows)
    say_line(json.dumps(report, ensure_ascii=False))


def _has(test: Path, name: str) -> bool:
    """Whether a file of several labels a row has the one that is asked for."""
    try:
        with test.open(encoding="utf-8-sig") as lines:
            first = next((line for line in lines if line.strip()), "{}")
        return name in json.loads(first)
    except (OSError, ValueError, TypeError):
        return False


@app.command()
def classify(
    train: Annotated[Path, typer.Option("--train", help="JSONL: text, label")],
    test: TestOption,
    other: Annotated[
        str, typer.Option(help="The label of what is none of the others; oos, if there is one.")
    ] = "",
    epochs: Annotated[
        int, typer.Option(help="Passes over the training rows; 0 leaves the tuning out.", min=0)
    ] = 8,
    layers: Annotated[int, typer.Option(help="Of twelve, the uppermost that are tuned.", min=1, max=12)] = 12,
) -> None:
    """Train on one labelled set and score on another: tuned encoder, TF-IDF, and the two together."""
    from inference.evaluation.classify import read_labelled
    from inference.training.together import evaluate

    if epochs:
        need("torch")
    with ends_cleanly():
        report = evaluate(
            read_labelled(train), read_labelled(test), other=other, epochs=epochs, layers=layers
        )
    say_line(json.dumps(report, ensure_ascii=False))
