"""What training leaves behind: a folder a run, whole or not at all, and which run is in use.

runs/.unfinished-intent-classify/  config.json checkpoint-*: a run that is under way, or was stopped
runs/intent-20260203-101500/  config.json metrics.json card.md classifier.npz
models/intent/                active.npz card.md active.json ({"run", "sha256", "score", "gate"}) previous/
models/generator/             adapter/ card.md active.json previous/

A change of what is in use is two renames; one that was cut off between them is undone by the next.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import filelock

from bot.errors import TellerError

__all__ = [
    "ADAPTER",
    "ADAPTER_WEIGHTS",
    "CHECKPOINTS",
    "GENERATOR",
    "WEIGHTS",
    "base_in_use",
    "digest",
    "promote",
    "rollback",
    "run_folder",
    "sha256",
]

WEIGHTS = "classifier.npz"
GENERATOR = "generator"
"""What the generator in use is called."""
ADAPTER = "adapter"
"""A generator's folder, in a run and where it is in use."""
ADAPTER_WEIGHTS = "adapter_model.safetensors"
CHECKPOINTS = "checkpoint-*"
"""What an unfinished run goes on from."""
_STATE = "active.json"
_PREVIOUS = "previous"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest(paths: Sequence[Path]) -> str:
    """SHA-256 of several files' contents, in their order."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


@contextmanager
def run_folder(
    out: Path,
    name: str,
    kind: str,
    now: datetime,
    told: dict[str, Any],
    *,
    fresh: bool = False,
    leader: bool = True,
) -> Iterator[tuple[Path, Path]]:
    """(a folder to write into, what it is called once all is there).

    Where the block ends by an error, the folder stays if it has `CHECKPOINTS`, for the same run to go on
    from; in the end they are removed.

    Args:
        told: what the run is to be told by: configuration, digests of data. It is in `config.json`.
        fresh: begin anew, whatever is there.
        leader: of several processes, whether this one looks after the folder.

    Raises:
        TellerError: another run of this name is under way; an unfinished one was told otherwise; the folder
            can't be written to.
    """
    final = out / f"{name}-{now:%Y%m%d-%H%M%S}"
    work = out / f".unfinished-{name}-{kind}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{work}.lock", timeout=0) if leader else nullcontext():
            if not leader:
                yield work, final
                return
            if final.exists():
                raise TellerError(f"{final} is there already; wait a second and try again")
            _begin(work, told, fresh)
            try:
                yield work, final
                os.replace(work, final)
            except BaseException:
                if not any(work.glob(CHECKPOINTS)):
                    shutil.rmtree(work, ignore_errors=True)
                raise
            # Last: until here a crash costs nothing but the last steps.
            for left in final.glob(CHECKPOINTS):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    except filelock.Timeout:
        raise TellerError(f"another run of {name} is writing to {work}") from None
    except OSError as error:
        raise TellerError(f"{out} can't be written to ({error}): make room and try again") from error


def _begin(work: Path, told: dict[str, Any], fresh: bool) -> None:
    """An empty folder with the configuration, or that of a run of the same one to go on with."""
    known = work / "config.json"
    if not fresh and any(work.glob(CHECKPOINTS)):
        if _read(known) != told:
            raise TellerError(
                f"{work} is of a run with another configuration or other data: finish it with those, or "
                "begin anew with --fresh (its checkpoints are removed then)"
            )
        return
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    known.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def base_in_use(models: Path, name: str) -> str:
    """What the adapter in use was trained on; empty if that isn't known."""
    try:
        return str(json.loads((models / name / _STATE).read_text(encoding="utf-8"))["base"])
    except (OSError, ValueError, KeyError):
        return ""


def promote(models: Path, name: str, run: Path, score: float, gate: str) -> None:
    """Put a run's weights (`WEIGHTS` or `ADAPTER`) into use, in one step; what was in use can be had back
    once.

    Args:
        score: of the gate, which the caller has held against the active one's.
    """
    folder, staged = models / name, models / f".staged-{name}"
    _recover(models, name)
    shutil.rmtree(staged, ignore_errors=True)
    try:
        staged.mkdir(parents=True)
        if (run / ADAPTER).is_dir():
            shutil.copytree(run / ADAPTER, staged / ADAPTER)
            weights = staged / ADAPTER / ADAPTER_WEIGHTS
        else:
            weights = staged / "active.npz"
            shutil.copy2(run / WEIGHTS, weights)
        for file in ("card.md", "metrics.json"):
            if (run / file).is_file():
                shutil.copy2(run / file, staged / file)
        state: dict[str, Any] = {
            "run": run.name, "sha256": sha256(weights), "score": score, "gate": gate,
        }  # fmt: skip
        if (run / ADAPTER).is_dir():
            state["base"] = json.loads((run / "config.json").read_text(encoding="utf-8"))["base"]
        (staged / _STATE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            os.replace(folder, staged / _PREVIOUS)
        os.replace(staged, folder)
        shutil.rmtree(folder / _PREVIOUS / _PREVIOUS, ignore_errors=True)
    except OSError as error:
        if not folder.exists() and (staged / _PREVIOUS).exists():
            os.replace(staged / _PREVIOUS, folder)
        shutil.rmtree(staged, ignore_errors=True)
        raise TellerError(f"{folder} can't be written to: {error}; what was in use stays") from error


def rollback(models: Path, name: str) -> str:
    """Put back what was in use before the last promotion: the run's name, empty for the shipped weights.

    Raises:
        TellerError: nothing was promoted.
    """
    folder, gone = models / name, models / f".gone-{name}"
    _recover(models, name)
    if not folder.exists():
        raise TellerError(f"no {name} was ever promoted: the shipped one is in use")
    shutil.rmtree(gone, ignore_errors=True)
    previous, run = gone / _PREVIOUS, ""
    try:
        os.replace(folder, gone)
        if previous.exists():
            os.replace(previous, folder)
            run = str(json.loads((folder / _STATE).read_text(encoding="utf-8"))["run"])
    except (OSError, ValueError, KeyError) as error:
        raise TellerError(f"{folder} can't be put back: {error}") from None
    shutil.rmtree(gone, ignore_errors=True)
    return run


def _recover(models: Path, name: str) -> None:
    """Put back what a change that was cut off has moved away."""
    folder = models / name
    for left in (models / f".gone-{name}", models / f".staged-{name}" / _PREVIOUS):
        if not folder.exists() and left.exists():
            os.replace(left, folder)
