"""The trainers: from the grid of some keys to members, with their forecasts of the holdout.

A trainer learns from all cells before the holdout, so that the accuracy on the holdout is honest. The newest
values are kept in the member, and its next forecasts start from them.
"""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from model_sets.info import SetInfo
from model_sets.members import (
    MemberRows,
    Ridge,
    SeasonalNaive,
    Tail,
    cloudpickle_content,
    lightgbm_content,
    npz_content,
    standardized,
)
from model_sets.times import start_of
from training_grid import Chunk

Array = np.ndarray[Any, Any]
BUILT_IN = ("lightgbm", "lightgbm-fast", "ridge", "seasonal-naive")
PENALTY = 1.0
ROUNDS, FAST_ROUNDS = 100, 50
COMMON = {
    "objective": "l2",
    "num_threads": 1,
    "verbose": -1,
    "force_row_wise": True,
    "deterministic": True,
    "seed": 1,
    "max_bin": 63,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.75,
}
FULL = COMMON | {"num_leaves": 31, "learning_rate": 0.06}
FAST = COMMON | {"num_leaves": 15, "learning_rate": 0.1}


@dataclass(frozen=True)
class Fitted:
    """A member as its entry, and its forecasts of the cells of the holdout."""

    loader: str
    content: bytes
    holdout: Array


class Trainer(Protocol):
    """A way to train members. It yields a function for each key, which trains it when it is called."""

    def fits(self, chunk: Chunk) -> Iterator[Callable[[], Fitted]]: ...


def trainer_of(name: str, info: SetInfo, folder: Path) -> Trainer:
    """Return a built-in trainer, or that of a file in `folder`. Raise ValueError if there is none."""
    if name == "lightgbm":
        return Boosting(FULL, ROUNDS)
    if name == "lightgbm-fast":
        return Boosting(FAST, FAST_ROUNDS)
    if name == "ridge":
        return BatchedRidge()
    if name == "seasonal-naive":
        return Baseline()
    file = folder / name
    if file.suffix == ".py" and file.is_file():
        return UserTrainer(file, info)
    raise ValueError(
        f"trainer {name!r} is none of {', '.join(BUILT_IN)}, and no Python file of the component's folder"
    )


def tail_of(chunk: Chunk, number: int) -> Tail:
    return Tail.of(chunk.plan, chunk.grid.values[number], chunk.series[number].end)


class Boosting:
    """LightGBM with one thread. Workers share the cores, and several threads each would only wait."""

    def __init__(self, settings: dict[str, Any], rounds: int) -> None:
        self._settings, self._rounds = settings, rounds

    def fits(self, chunk: Chunk) -> Iterator[Callable[[], Fitted]]:
        import lightgbm  # noqa: F401  it takes seconds, which do not count for the first member

        _ = chunk.features
        for number in range(len(chunk.series)):
            yield lambda number=number: self._fit(chunk, number)  # type: ignore[misc]

    def _fit(self, chunk: Chunk, number: int) -> Fitted:
        import lightgbm

        cut = chunk.cut
        known = np.flatnonzero(chunk.known[number, :cut])
        features = chunk.features[number]
        data = lightgbm.Dataset(features[known], chunk.grid.values[number, known], params=self._settings)
        booster = lightgbm.Booster(self._settings, data)
        for _ in range(self._rounds):
            if booster.update():
                break
        text = booster.model_to_string()
        holdout = np.asarray(booster.predict(features[cut:], num_threads=1))
        return Fitted("lightgbm-text", lightgbm_content(text, tail_of(chunk, number)), holdout)


class BatchedRidge:
    """Ridge regression for all keys of a chunk at once."""

    def fits(self, chunk: Chunk) -> Iterator[Callable[[], Fitted]]:
        solved: list[Fitted] = []

        def fit(number: int) -> Fitted:
            if not solved:
                solved.extend(self._solve(chunk))
            return solved[number]

        for number in range(len(chunk.series)):
            yield lambda number=number: fit(number)  # type: ignore[misc]

    def _solve(self, chunk: Chunk) -> Iterator[Fitted]:
        cut, plan = chunk.cut, chunk.plan
        for number in range(len(chunk.series)):
            known = np.flatnonzero(chunk.known[number, :cut])
            features = chunk.features[number, known]
            mean, scale = _scales(features)
            wide = standardized(features, mean, scale, plan.weekday)
            target = chunk.grid.values[number, known]
            penalty = np.full(wide.shape[1], PENALTY, np.float64)
            penalty[-1] = 1e-6  # the constant is not shrunk
            gram = (wide.T @ wide).astype(np.float64) + np.diag(penalty)
            weights = np.linalg.solve(gram, (wide.T @ target).astype(np.float64)).astype(np.float32)
            arrays = {"mean": mean, "scale": scale, "weights": weights}
            holdout = Ridge(plan, mean, scale, weights).predict(chunk.features[number, cut:])
            yield Fitted("npz", npz_content("ridge", tail_of(chunk, number), arrays), holdout)


def _scales(features: Array) -> tuple[Array, Array]:
    """Return mean and deviation of each feature over the rows that have it, 0 and 1 if none has."""
    known = ~np.isnan(features)
    number = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, features, 0)
    mean = filled.sum(axis=0, dtype=np.float64) / number
    deviation = np.sqrt((np.where(known, features - mean, 0) ** 2).sum(axis=0) / number)
    scale = np.where(deviation > 1e-9, deviation, 1.0)
    return mean.astype(np.float32), scale.astype(np.float32)


class Baseline:
    """The seasonal naive forecast."""

    def fits(self, chunk: Chunk) -> Iterator[Callable[[], Fitted]]:
        for number in range(len(chunk.series)):
            yield lambda number=number: baseline(chunk, number)  # type: ignore[misc]


def baseline(chunk: Chunk, number: int) -> Fitted:
    """Return the seasonal naive member of a key. Its forecasts of the holdout see nothing of it."""
    tail = tail_of(chunk, number)
    rows = MemberRows(chunk.steps(number)[chunk.cut :], np.zeros((chunk.plan.horizon, 0)), dict)
    holdout = SeasonalNaive(chunk.plan, tail).forecast(rows)
    return Fitted("npz", npz_content("seasonal_naive", tail), holdout)


class UserTrainer:
    """A user's own file with `train(table, key)`, which returns an object with `predict(table)`."""

    def __init__(self, file: Path, info: SetInfo) -> None:
        self._info = info
        self._train = _load(file)

    def fits(self, chunk: Chunk) -> Iterator[Callable[[], Fitted]]:
        for number in range(len(chunk.series)):
            yield lambda number=number: self._fit(chunk, number)  # type: ignore[misc]

    def _fit(self, chunk: Chunk, number: int) -> Fitted:
        key = dict(zip(self._info.keys, chunk.series[number].key, strict=True))
        known = chunk.known[number]
        member = self._train(self._table(chunk, number, np.flatnonzero(known[: chunk.cut]), target=True), key)
        cells = np.flatnonzero(known[chunk.cut :])
        asked = self._table(chunk, number, chunk.cut + cells, target=False)
        holdout = np.full(chunk.plan.horizon, np.nan)
        holdout[cells] = np.asarray(member.predict(asked), np.float64).reshape(-1)
        return Fitted("cloudpickle", cloudpickle_content(member), holdout)

    def _table(self, chunk: Chunk, number: int, cells: Array, *, target: bool) -> Any:
        """Return rows of a key as a pandas table: its key, time, target and covariates, by time."""
        import pandas as pd

        plan, info = chunk.plan, self._info
        steps = chunk.steps(number)[cells]
        columns: dict[str, Any] = dict(zip(info.keys, chunk.series[number].key, strict=True))
        columns[info.time] = start_of(steps, plan.frequency).astype("datetime64[ns]")
        if target:
            columns[info.target] = chunk.grid.values[number, cells].astype(np.float64)
        for place, name in enumerate(info.covariates):
            columns[name] = chunk.grid.covariates[number, cells, place].astype(np.float64)
        return pd.DataFrame(columns, index=range(len(cells)))


def _load(file: Path) -> Callable[[Any, dict[str, str]], Any]:
    """Return `train` of a file. Its classes are stored with the members, which need no file to be loaded."""
    import sys

    import cloudpickle

    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file.name} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    cloudpickle.register_pickle_by_value(module)
    train: Callable[[Any, dict[str, str]], Any] = module.train
    return train
