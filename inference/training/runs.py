"""What training leaves behind: a folder a run, whole or not at all, and which run is in use.

runs/.unfinished-intent-classify/  config.json checkpoint-*: a run that is under way, or was stopped
runs/intent-20260203-101500/  config.json metrics.json card.md classifier.npz
models/intent/                active.npz card.md active.json ({"run", "sha256", "score", "gate"}) previous/
models/generator/             adapter/ card.md active.json previous/

A change of what is in use is two renames; one that was cut off between them is undone by the next.
"""

from __future__ import annotations

import errno
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
    "changing",
    "digest",
    "goes_on",
    "promote",
    "rollback",
    "run_folder",
    "sha256",
    "unwritable",
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
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest(paths: Sequence[Path]) -> str:
    """SHA-256 of several files' contents, in their order."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def unwritable(folder: Path, error: Exception) -> TellerError:
    """What to say of a folder that can't be read from or written to; "make room" where that would help."""
    said = str(error)
    if isinstance(error, OSError):
        full = error.errno in _FULL
    else:  # torch doesn't say why, safetensors in words alone
        full = "PytorchStreamWriter" in said or any(f"(os error {number})" in said for number in _FULL)
    return TellerError(
        f"{folder} can't be {'written to' if full else 'used'} ({said}){': make room' if full else ''}; what "
        "was kept stays, and the same command goes on from it"
    )


def goes_on(out: Path, name: str, kind: str) -> bool:
    """Whether a run that was stopped has left something to go on from."""
    return any(_unfinished(out, name, kind).glob(CHECKPOINTS))


def _unfinished(out: Path, name: str, kind: str) -> Path:
    return out / f".unfinished-{name}-{kind}"


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
    work = _unfinished(out, name, kind)
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
            for left in (*final.glob(CHECKPOINTS), *final.glob(f".{CHECKPOINTS}")):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    except filelock.Timeout:
        raise TellerError(f"another run of {name} is writing to {work}") from None
    except OSError as error:
        raise unwritable(out, error) from error


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


@contextmanager
def changing(models: Path, name: str) -> Iterator[None]:
    """Nobody else changes what is in use meanwhile; a change that was cut off is undone first.

    Raises:
        TellerError: somebody is changing it, or the folder can't be written to.
    """
    lock = filelock.FileLock(models / f".{name}.lock", timeout=0)
    try:
        models.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        _recover(models, name)
    except filelock.Timeout:
        raise TellerError(
            f"another process is putting a {name} into use, or back: try again when it's done"
        ) from None
    except OSError as error:
        lock.release()
        raise TellerError(f"{models} can't be written to: {error}") from error
    try:
        yield
    finally:
        lock.release()


def promote(models: Path, name: str, run: Path, verified: str, score: float, gate: str) -> None:
    """Put a run's weights (`WEIGHTS` or `ADAPTER`) into use, in one step; what was in use can be had back
    once. The caller holds `changing`.

    Args:
        verified: SHA-256 of the weights that were scored.
        score: of the gate, which the caller has held against the active one's.

    Raises:
        TellerError: the weights aren't those any more, or the folder can't be written to. What was in use
            stays.
    """
    folder, staged = models / name, models / f".staged-{name}"
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
        if state["sha256"] != verified:
            raise TellerError(f"{run} was changed after it was scored: nothing was changed; promote it again")
        (staged / _STATE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            os.replace(folder, staged / _PREVIOUS)
        os.replace(staged, folder)
        shutil.rmtree(folder / _PREVIOUS / _PREVIOUS, ignore_errors=True)
    except (OSError, TellerError) as error:
        _recover(models, name)
        shutil.rmtree(staged, ignore_errors=True)
        if isinstance(error, TellerError):
            raise
        raise TellerError(f"{folder} can't be written to: {error}; what was in use stays") from error


def rollback(models: Path, name: str) -> str:
    """Put back what was in use before the last promotion: the run's name, empty for the shipped weights.

    Raises:
        TellerError: nothing was promoted, somebody else is changing it, or it can't be put back.
    """
    with changing(models, name):
        return _put_back(models, name)


def _put_back(models: Path, name: str) -> str:
    folder, gone = models / name, models / f".gone-{name}"
    if not folder.exists():
        raise TellerError(f"no {name} was ever promoted: there is nothing to go back from")
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
