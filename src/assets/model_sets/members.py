"""Members: the models of single keys, and how each kind is stored in an entry of a shard.

A loader is named in the index: `lightgbm-text`, `npz` or `cloudpickle`. Only the last one runs code of its
own when it is loaded. It is for members of a user's own training, and is loaded in jobs and endpoints only.
"""

import base64
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from model_sets.errors import SetError
from model_sets.features import SEASON, FeaturePlan, Grid, build

Array = np.ndarray[Any, Any]
LOADERS = ("lightgbm-text", "npz", "cloudpickle")
MARK = b"\ntidegate_tail:"  # LightGBM ignores what follows its own text
STATISTICS = "split_gain|leaf_weight|leaf_count|internal_value|internal_weight|internal_count|tree_sizes"
UNUSED = re.compile(rf"^(?:{STATISTICS})=.*\n", re.MULTILINE)
MOST_STEPS = 10_000  # how far after its newest value a member forecasts


@dataclass(frozen=True)
class MemberRows:
    """The rows of one key: their steps, covariates (rows, covariates), and the table for a user's member.

    `values` are the rows' own target values where they are known, and NaN elsewhere. They count as history: a
    forecast uses those that are at least a horizon older than its row.
    """

    steps: Array
    covariates: Array
    frame: Callable[[], Any]
    values: Array | None = None


@dataclass(frozen=True)
class Tail:
    """The newest values of a key. `end` is the step after the last of them."""

    end: int
    values: Array

    @classmethod
    def of(cls, plan: FeaturePlan, values: Array, end: int) -> "Tail":
        return cls(end, np.asarray(values[-plan.kept :], np.float32))


class Member(Protocol):
    """A model of one key."""

    memory_bytes: int

    def forecast(self, rows: MemberRows) -> Array:
        """Return one number for each row, NaN where there is none."""
        ...


@dataclass(frozen=True)
class _History:
    """Known values on a grid from step `first` on. The cells from `known` on have none."""

    first: int
    known: int
    values: Array

    @classmethod
    def of(cls, tail: Tail, rows: MemberRows, steps: Array, inside: Array) -> "_History":
        """Return the tail with the rows' own values, on a grid that has a cell for each of `steps`."""
        first = min(tail.end - len(tail.values), int(steps.min()))
        values = np.full(max(tail.end, int(steps.max()) + 1) - first, np.nan, np.float32)
        values[tail.end - len(tail.values) - first : tail.end - first] = tail.values
        known = tail.end - first
        if rows.values is not None:
            given = ~np.isnan(rows.values[inside])
            values[steps[given] - first] = rows.values[inside][given]
            known = max(known, int(steps[given].max(initial=first - 1)) - first + 1)
        return cls(first, known, values)


def _inside(tail: Tail, steps: Array) -> Array:
    """Return which steps are close enough to the newest value for a forecast."""
    return np.asarray(np.abs(steps - tail.end) <= MOST_STEPS)


class FeatureMember:
    """A member that forecasts from features: LightGBM or ridge."""

    def __init__(self, plan: FeaturePlan, tail: Tail, predict: Callable[[Array], Array], size: int) -> None:
        self._plan, self._tail, self._predict = plan, tail, predict
        self.memory_bytes = size

    def forecast(self, rows: MemberRows) -> Array:
        """Return one number for each row.

        Steps later than the horizon are forecast in blocks of a horizon, on the forecasts of earlier blocks.
        """
        answers = np.full(len(rows.steps), np.nan)
        inside = _inside(self._tail, rows.steps)
        if not inside.any():
            return answers
        steps = rows.steps[inside]
        history = _History.of(self._tail, rows, steps, inside)
        cells, values, known = steps - history.first, history.values, history.known
        covariates = np.full((1, len(values), len(self._plan.covariates)), np.nan, np.float32)
        covariates[0, cells] = rows.covariates[inside]
        grid = Grid(values[None], np.array([history.first]), covariates)
        dense = np.full(len(values), np.nan)
        for begin, end in self._blocks(int(cells.min()), int(cells.max()) + 1, known):
            dense[begin:end] = self._predict(build(self._plan, grid, begin, end)[0])
            later = slice(max(begin, known), end)
            values[later] = dense[later]
        answers[inside] = dense[cells]
        return answers

    def _blocks(self, begin: int, end: int, known: int) -> list[tuple[int, int]]:
        """Return the parts of the cells [begin, end) that are forecast one after another."""
        horizon = self._plan.horizon
        if end <= known + horizon:
            return [(begin, end)]
        blocks = [(start, min(start + horizon, end)) for start in range(known, end, horizon)]
        return [(begin, known), *blocks] if begin < known else blocks


class ScaledMember:
    """A member of a group of keys, for a key whose level is `scale` times that of the group's values."""

    def __init__(self, member: Member, scale: float) -> None:
        self._member, self._scale = member, scale
        self.memory_bytes = member.memory_bytes

    def forecast(self, rows: MemberRows) -> Array:
        known = None if rows.values is None else rows.values / self._scale
        return self._member.forecast(replace(rows, values=known)) * self._scale


class SeasonalNaive:
    """The baseline: the newest known value of the same place in the season, such as the same weekday."""

    def __init__(self, plan: FeaturePlan, tail: Tail) -> None:
        self._plan, self._tail = plan, tail
        self.memory_bytes = tail.values.nbytes + 200

    def forecast(self, rows: MemberRows) -> Array:
        """Return one number for each row. Rows of the newest horizon do not see its values."""
        answers = np.full(len(rows.steps), np.nan)
        inside = _inside(self._tail, rows.steps)
        if not inside.any():
            return answers
        steps, season = rows.steps[inside], SEASON[self._plan.frequency]
        history = _History.of(self._tail, rows, steps, inside)
        cells, horizon = steps - history.first, self._plan.horizon
        holdout = history.known - horizon
        # The cells before `cut` may be used: all that is known, or all that was known a horizon ago.
        cut = np.where(cells >= history.known, history.known, np.minimum(holdout, cells - horizon + 1))
        cut = np.where((cells >= holdout) & (cells < history.known), holdout, cut)
        newest = cut - 1 - (cut - 1 - cells) % season
        filled = _filled(history.values, season)
        known = history.values[: max(holdout, 0)]
        known = known if np.isfinite(known).any() else history.values
        rest = np.nanmean(known, dtype=np.float64) if np.isfinite(known).any() else np.nan
        found = np.where(newest >= 0, filled[np.maximum(newest, 0)], np.nan)
        answers[inside] = np.where(np.isnan(found), rest, found)
        return answers


def _filled(values: Array, season: int) -> Array:
    """Return the values with each gap filled by the newest earlier value of the same place in the season."""
    rows = -(-len(values) // season)
    padded = np.full(rows * season, np.nan)
    padded[: len(values)] = values
    table = padded.reshape(rows, season)
    newest = np.where(np.isnan(table), 0, np.arange(rows)[:, None])
    np.maximum.accumulate(newest, axis=0, out=newest)
    return np.asarray(np.take_along_axis(table, newest, axis=0).reshape(-1))


class Ridge:
    """The weights of a linear model over standardized features and weekdays."""

    def __init__(self, plan: FeaturePlan, mean: Array, scale: Array, weights: Array) -> None:
        self._weekday, self._mean, self._scale, self._weights = plan.weekday, mean, scale, weights

    @classmethod
    def of(cls, plan: FeaturePlan, arrays: Mapping[str, Array]) -> "Ridge":
        """Return the model in the arrays of an entry. Those of earlier releases are three in place of one."""
        if "numbers" not in arrays:
            return cls(plan, arrays["mean"], arrays["scale"], arrays["weights"])
        width = len(plan.names)
        return cls(plan, *np.split(arrays["numbers"], [width, 2 * width]))

    def predict(self, features: Array) -> Array:
        wide = standardized(features, self._mean, self._scale, self._weekday)
        return np.asarray(wide @ self._weights)


def standardized(features: Array, mean: Array, scale: Array, weekday: int | None) -> Array:
    """Return features of mean 0 and deviation 1 (0 where missing), a column for each weekday, and a 1."""
    scaled = np.nan_to_num((features - mean) / scale, nan=0.0, posinf=0.0, neginf=0.0)
    ones = np.ones((*features.shape[:-1], 1), scaled.dtype)
    days = [] if weekday is None else [(features[..., weekday, None] == np.arange(7)).astype(scaled.dtype)]
    return np.concatenate([scaled, *days, ones], axis=-1)


class UserMember:
    """A member of a user's own training: an object with `predict(table)`."""

    def __init__(self, model: Any, size: int) -> None:
        self._model = model
        self.memory_bytes = size

    def forecast(self, rows: MemberRows) -> Array:
        frame = rows.frame()
        answers = np.asarray(self._model.predict(frame), dtype=np.float64).reshape(-1)
        if len(answers) != len(rows.steps):
            raise SetError(f"the member answered {len(answers)} numbers for {len(rows.steps)} rows")
        return answers


def lightgbm_content(text: str, tail: Tail, scale: float = 1.0) -> bytes:
    """Return a LightGBM model as text, with the values that its features need in a last line.

    The model's values, and those of the tail, are the key's values divided by `scale`. Statistics of the
    training that no forecast needs are left out: they are half of the text.
    """
    values = base64.b64encode(tail.values.astype("<f4").tobytes()).decode()
    fields = {"end": int(tail.end), "values": values} | ({} if scale == 1.0 else {"scale": scale})
    line = json.dumps(fields)
    return UNUSED.sub("", text).rstrip("\n").encode() + MARK + line.encode() + b"\n"


def npz_content(kind: str, tail: Tail, arrays: Mapping[str, Array] = MappingProxyType({})) -> bytes:
    """Return the arrays of a member of the kind `ridge` or `seasonal_naive`."""
    file = io.BytesIO()
    everything: dict[str, Any] = {"kind": np.array(kind), "end": np.array(tail.end), "tail": tail.values}
    np.savez(file, **(everything | dict(arrays)))
    return file.getvalue()


def cloudpickle_content(model: Any) -> bytes:
    import cloudpickle

    return cloudpickle.dumps(model)  # type: ignore[no-any-return]


def load_member(loader: str, content: bytes, plan: FeaturePlan) -> Member:
    """Return the member of an entry. Raise SetError if its content does not fit its loader."""
    try:
        if loader == "lightgbm-text":
            return _load_lightgbm(content, plan)
        if loader == "npz":
            return _load_npz(content, plan)
    except (ValueError, KeyError, OSError) as error:
        raise SetError(f"the content does not fit the loader {loader}: {error}") from error
    if loader == "cloudpickle":
        import cloudpickle

        return UserMember(cloudpickle.loads(content), len(content))
    raise SetError(f"loader {loader!r} is none of {', '.join(LOADERS)}")


def _load_lightgbm(content: bytes, plan: FeaturePlan) -> Member:
    import lightgbm

    text, mark, line = content.rpartition(MARK)
    if not mark:
        raise ValueError("the line with the newest values is missing")
    fields = json.loads(line)
    tail = Tail(fields["end"], np.frombuffer(base64.b64decode(fields["values"]), "<f4"))
    booster = lightgbm.Booster(model_str=text.decode())

    def predict(features: Array) -> Array:
        return np.asarray(booster.predict(features, num_threads=1))

    member = FeatureMember(plan, tail, predict, len(content))
    return ScaledMember(member, float(fields["scale"])) if "scale" in fields else member


def _load_npz(content: bytes, plan: FeaturePlan) -> Member:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    tail = Tail(int(arrays["end"]), arrays["tail"])
    kind = str(arrays["kind"])
    if kind == "seasonal_naive":
        return SeasonalNaive(plan, tail)
    if kind == "ridge":
        ridge = Ridge.of(plan, arrays)
        return FeatureMember(plan, tail, ridge.predict, len(content))
    raise ValueError(f"kind {kind!r} is none of ridge, seasonal_naive")
