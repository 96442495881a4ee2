"""The trainers: from the grid of some keys to members, with their forecasts of the holdout.

A trainer learns from all cells before the holdout, so that the accuracy on the holdout is honest. The newest
values are kept in the member, and its next forecasts start from them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from model_sets import boosting
from model_sets.contents import cloudpickle_content, lightgbm_content, npz_content
from model_sets.info import SetInfo
from model_sets.members import MemberRows, SeasonalNaive, Tail
from model_sets.ridge import Ridge
from model_sets.times import start_of
from model_sets.user_file import import_file
from ridge_regression import solve
from trainer_parameters import checked
from training_grid import Chunk
from training_settings import Settings

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


def trainer_of(settings: Settings, folder: Path) -> Trainer:
    """Return a built-in trainer, or that of a file in `folder`.

    Raise ValueError if there is none, or if it does not take a parameter.
    """
    name, info = settings.trainer, settings.info
    parameters: dict[str, Any] = checked(name, settings.parameters)
    if name in ("lightgbm", "lightgbm-fast"):
        usual, rounds = (FULL, ROUNDS) if name == "lightgbm" else (FAST, FAST_ROUNDS)
        rounds = int(parameters.pop("rounds", rounds))
        return Boosting(usual | parameters, rounds)
    if name == "ridge":
        return BatchedRidge(parameters.get("penalty", PENALTY))
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
        boosting.import_alone()  # it takes seconds, which do not count for the first member
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
    """Ridge regression. The features of all keys of a chunk are made at once."""

    def __init__(self, penalty: float = PENALTY) -> None:
        self._penalty = penalty

    def fits(self, chunk: Chunk) -> Iterator[Callable[[], Fitted]]:
        for number in range(len(chunk.series)):
            yield lambda number=number: self._fit(chunk, number)  # type: ignore[misc]

    def _fit(self, chunk: Chunk, number: int) -> Fitted:
        cut, plan = chunk.cut, chunk.plan
        features, values, known = chunk.features[number], chunk.grid.values[number], chunk.known[number, :cut]
        if known.all():
            fit = solve(features[:cut], values[:cut], plan.weekday, self._penalty)
        else:
            fit = solve(features[:cut][known], values[:cut][known], plan.weekday, self._penalty)
        arrays = {"numbers": np.concatenate([fit.mean, fit.scale, fit.weights])}  # one array is read faster
        holdout = Ridge(plan, fit.mean, fit.scale, fit.weights).predict(features[cut:])
        return Fitted("npz", npz_content("ridge", tail_of(chunk, number), arrays), holdout)


class Baseline:
    """The seasonal naive forecast."""

    def fits(self, chunk: Chunk) -> Iterator[Callable[[], Fitted]]:
        for number in range(len(chunk.series)):
            yield lambda number=number: baseline(chunk, number)  # type: ignore[misc]


def baseline(chunk: Chunk, number: int) -> Fitted:
    """Return the seasonal naive member of a key. Its forecasts of the holdout see nothing of it."""
    return Fitted("npz", npz_content("seasonal_naive", tail_of(chunk, number)), naive_holdout(chunk, number))


def naive_holdout(chunk: Chunk, number: int) -> Array:
    """Return the seasonal naive forecasts of a key's holdout."""
    rows = MemberRows(chunk.steps(number)[chunk.cut :], np.zeros((chunk.plan.horizon, 0)), dict)
    return SeasonalNaive(chunk.plan, tail_of(chunk, number)).forecast(rows)


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
    import cloudpickle

    module = import_file(file)
    cloudpickle.register_pickle_by_value(module)
    train: Callable[[Any, dict[str, str]], Any] = module.train
    return train
