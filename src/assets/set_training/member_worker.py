"""The process that trains members, one after another. Its parent ends it if a member takes too long.

It is a new process and not a fork, because LightGBM hangs in forks of a process that has used it.
"""

import gc
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import training_settings
from member_trainers import Baseline, Fitted, Trainer, baseline, naive_holdout, trainer_of
from model_sets.accuracy import member_metrics
from model_sets.bucket import read_bucket
from model_sets.features import FeaturePlan
from model_sets.times import time_of
from training_grid import Chunk, Series, chunks, examine
from training_settings import Settings

MOST_REASON = 500  # letters


@dataclass(frozen=True)
class Begun:
    """The key whose member is being trained."""

    place: int
    key: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class Outcome:
    """A key with its member, or with the reason why it has none. `sums` are those of the holdout."""

    place: int
    key: tuple[str, ...]
    state: str
    rows: int
    loader: str = ""
    content: bytes = b""
    fallback: str | None = None
    trained_until: str | None = None
    metrics: dict[str, float | None] | None = None
    reason: str | None = None
    sums: tuple[float, float, float] = (0.0, 0.0, 0.0)


def outcomes(folder: Path, rows: Path, bucket: int, skipped: Collection[int]) -> Iterator[Begun | Outcome]:
    """Train the members of a bucket, except those of the skipped places. Yield each before and after."""
    settings = training_settings.load(folder)
    info, plan = settings.info, FeaturePlan.of(settings.info)
    read = read_bucket(rows, bucket, info)
    examined = [
        one
        for one in examine(read, info.frequency, training_settings.file_names(folder))
        if one.place not in skipped
    ]
    usable = []
    for one in examined:
        if one.refusal:
            yield Outcome(one.place, one.key, "failed", one.rows, reason=one.refusal)
        elif not one.rows:
            reason = "the data have rows of this key, and none with a value of the target"
            yield Outcome(one.place, one.key, "missing", 0, reason=reason)
        else:
            usable.append(one)
    few = [one for one in usable if one.rows < settings.min_rows or one.end - one.begin <= info.horizon]
    for chunk in chunks(read, few, plan):
        for number, one in enumerate(chunk.series):
            yield _with_few_rows(chunk, number, one, settings)
    enough = [one for one in usable if one not in few]
    trainer = trainer_of(settings, Path(__file__).parent) if enough else Baseline()
    for chunk in chunks(read, enough, plan):
        yield from _trained(trainer, chunk, info.frequency)


def _trained(trainer: Trainer, chunk: Chunk, frequency: str) -> Iterator[Begun | Outcome]:
    for number, (one, fit) in enumerate(zip(chunk.series, trainer.fits(chunk), strict=True)):
        yield Begun(one.place, one.key, one.rows)
        yield _attempt(chunk, number, fit, frequency)


def _attempt(chunk: Chunk, number: int, fit: Callable[[], Fitted], frequency: str) -> Outcome:
    one = chunk.series[number]
    try:
        fitted = fit()
    except Exception as error:  # noqa: BLE001  a trainer may raise anything, and other members go on
        reason = f"the training raised {type(error).__name__}: {error}"[:MOST_REASON]
        return Outcome(one.place, one.key, "failed", one.rows, reason=reason)
    known = chunk.known[number, chunk.cut :]
    wrong = int((~np.isfinite(fitted.holdout[known])).sum())
    if wrong:
        reason = f"the member gave no number for {wrong} of the {known.sum()} rows of its holdout"
        return Outcome(one.place, one.key, "failed", one.rows, reason=reason)
    return _outcome(chunk, number, fitted, frequency)


def _outcome(chunk: Chunk, number: int, fitted: Fitted, frequency: str) -> Outcome:
    one = chunk.series[number]
    actual = chunk.grid.values[number, chunk.cut :].astype(np.float64)
    naive = naive_holdout(chunk, number)
    both = ~np.isnan(actual) & np.isfinite(naive) & np.isfinite(fitted.holdout)
    sums = [np.abs(actual - answers)[both].sum() for answers in (fitted.holdout, naive)]
    return Outcome(
        place=one.place,
        key=one.key,
        state="candidate",
        rows=one.rows,
        loader=fitted.loader,
        content=fitted.content,
        trained_until=time_of(one.end - 1, frequency),
        metrics=member_metrics(actual, fitted.holdout),
        sums=(float(sums[0]), float(sums[1]), float(np.abs(actual[both]).sum())),
    )


def _with_few_rows(chunk: Chunk, number: int, one: Series, settings: Settings) -> Outcome:
    """Return the baseline, marked as such, for a key with too few rows for a member of its own."""
    needed = f"at least {settings.min_rows}, later than the horizon of {settings.info.horizon} steps"
    return Outcome(
        place=one.place,
        key=one.key,
        state="too_few_rows",
        rows=one.rows,
        loader="npz",
        content=baseline(chunk, number).content,
        fallback="baseline",
        trained_until=time_of(one.end - 1, settings.info.frequency),
        reason=f"it has {one.rows} rows, and {needed}, are needed: the baseline is used",
    )


def main() -> None:
    """Serve requests `(bucket, skipped)` until the parent closes the connection."""
    connection = Connection(int(sys.argv[1]))
    folder, rows = Path(sys.argv[2]), Path(sys.argv[3])
    gc.freeze()
    while True:
        try:
            bucket, skipped = connection.recv()
        except EOFError:
            return
        message: Any = None
        try:
            for message in outcomes(folder, rows, bucket, skipped):
                connection.send(message)
            connection.send(None)
        except Exception as error:  # noqa: BLE001  the parent fails the mini-batch with this reason
            connection.send(f"{type(error).__name__}: {error}")
