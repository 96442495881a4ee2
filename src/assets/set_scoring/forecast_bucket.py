"""The forecasts of a bucket: rows sorted by key, each key by its member."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from model_sets.bucket import Bucket
from model_sets.errors import NoMemberError, SetError
from model_sets.format import ModelSet
from model_sets.index import IndexRow
from model_sets.info import SetInfo
from model_sets.members import Member, MemberRows
from model_sets.queries import key_columns
from model_sets.times import NO_STEP, start_of

Array = np.ndarray[Any, Any]

NO_KEY = "a key column has no value"
NO_TIME = "the time column has no value"
NOT_FINITE = "the member's forecast is not a finite number"


@dataclass(frozen=True)
class KeyForecast:
    """The forecasts of one key: a number for each of its rows, its member, and the reason if it has none.

    `status` is that of the rows with a finite number: `ok` or `fallback`. If there are no numbers at all, it
    is `no_member` or `failed`.
    """

    status: str
    numbers: Array
    member: str | None = None
    reason: str | None = None


def forecast_key(members: ModelSet, key: Sequence[str | None], rows: MemberRows) -> KeyForecast:
    """Return the forecasts of one key.

    A member that fails is a reason. A damaged shard raises CorruptShardError, because nothing of a damaged
    model should be published.
    """
    nothing = np.full(len(rows.steps), np.nan)
    if any(part is None for part in key):
        return KeyForecast("failed", nothing, reason=NO_KEY)
    row = members.find(key)  # type: ignore[arg-type]
    trained_in = row.trained_in if row else None
    member = _load(members, row)
    if isinstance(member, _NoMember):
        return KeyForecast(member.status, nothing, trained_in, member.reason)
    try:
        numbers = np.asarray(member.forecast(rows), np.float64)
    except Exception as error:  # noqa: BLE001  a member of a user's own may raise anything
        return KeyForecast("failed", nothing, trained_in, f"the member raised {_spell(error)}")
    if numbers.shape != rows.steps.shape:
        reason = f"the member gave {numbers.size} forecasts for {len(rows.steps)} rows"
        return KeyForecast("failed", nothing, trained_in, reason)
    fallback = row.fallback if row else None
    reason = f"{fallback}: {row.reason}" if row and fallback else None
    return KeyForecast("fallback" if fallback else "ok", numbers, trained_in, reason)


@dataclass(frozen=True)
class _NoMember:
    status: str
    reason: str


def _load(members: ModelSet, row: IndexRow | None) -> Member | _NoMember:
    """Return the member of an index row, or why there is none."""
    if row is None:
        return _NoMember("no_member", "the set has no member for this key")
    try:
        return members.load(row)
    except NoMemberError as error:
        return _NoMember("failed" if row.state == "failed" else "no_member", str(error))
    except SetError:
        raise
    except Exception as error:  # noqa: BLE001  unpickling runs a user's own code
        return _NoMember("failed", f"loading the member raised {_spell(error)}")


def _spell(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def forecast_bucket(members: ModelSet, bucket: Bucket) -> pa.Table:
    """Return a table with a row for each row of the bucket, in its order.

    Its columns are the key columns and the time column, `forecast`, `member`, `status`, `error` and `file`,
    the number of the row's file.
    """
    texts = _Texts()
    size = len(bucket.steps)
    forecasts = np.full(size, np.nan)
    columns = {name: np.zeros(size, np.int32) for name in ("member", "status", "error")}
    for number, rows in _slices(bucket.offsets):
        dated = rows.start + np.flatnonzero(bucket.steps[rows] != NO_STEP)
        found = forecast_key(members, bucket.keys[number], _rows(members, bucket, number, dated))
        forecasts[dated] = np.where(np.isfinite(found.numbers), found.numbers, np.nan)
        columns["member"][rows] = texts.number(found.member)
        columns["status"][rows] = texts.number(found.status)
        columns["error"][rows] = texts.number(found.reason)
        without = rows.start + np.flatnonzero(np.isnan(forecasts[rows]))
        if found.status in ("ok", "fallback") and len(without):
            columns["status"][without] = texts.number("failed")
            columns["error"][without] = texts.number(NOT_FINITE)
            undated = without[bucket.steps[without] == NO_STEP]
            columns["error"][undated] = texts.number(NO_TIME)
    return _table(
        members,
        bucket,
        {"forecast": pa.array(forecasts, from_pandas=True)}
        | {name: texts.column(numbers) for name, numbers in columns.items()},
    )


def unusable_rows(info: SetInfo, folder: Path) -> pa.Table:
    """Return the same columns for the rows that have no key or no time, each with its reason."""
    rows = pq.read_table(folder)
    keys = [rows[column].cast(pa.string()) for column in key_columns(info)]
    lacks_key = np.any([column.is_null().to_numpy() for column in keys], axis=0)
    steps = rows["step"].cast(pa.int64()).fill_null(NO_STEP).to_numpy()
    nothing = pa.nulls(rows.num_rows, pa.string())
    return pa.table(
        dict(zip(info.keys, keys, strict=True))
        | {
            info.time: _times(steps, info),
            "forecast": pa.nulls(rows.num_rows, pa.float64()),
            "member": nothing,
            "status": pa.array(["failed"] * rows.num_rows, pa.string()),
            "error": pa.array(np.where(lacks_key, NO_KEY, NO_TIME), pa.string()),
            "file": rows["file"].cast(pa.int32()),
        }
    )


class _Texts:
    """Texts that many rows share, by number."""

    def __init__(self) -> None:
        self._numbers: dict[str | None, int] = {}

    def number(self, text: str | None) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def column(self, numbers: Array) -> pa.Array:
        return pa.DictionaryArray.from_arrays(numbers, pa.array(list(self._numbers), pa.string())).cast(
            pa.string()
        )


def _slices(offsets: Array) -> Iterator[tuple[int, slice]]:
    for number, (start, end) in enumerate(pairwise(offsets)):
        yield number, slice(int(start), int(end))


def _rows(members: ModelSet, bucket: Bucket, number: int, chosen: Array) -> MemberRows:
    """Return the chosen rows of one key as a member takes them."""
    info = members.info

    def frame() -> Any:
        import pandas as pd

        columns: dict[str, Any] = dict(zip(info.keys, bucket.keys[number], strict=True))
        columns[info.time] = start_of(bucket.steps[chosen], info.frequency)
        columns |= {name: bucket.covariates[chosen, place] for place, name in enumerate(info.covariates)}
        return pd.DataFrame(columns)

    return MemberRows(bucket.steps[chosen], bucket.covariates[chosen], frame, bucket.values[chosen])


def _table(members: ModelSet, bucket: Bucket, columns: dict[str, pa.Array]) -> pa.Table:
    info = members.info
    places = np.repeat(np.arange(len(bucket.keys), dtype=np.int32), np.diff(bucket.offsets))
    keys = {
        name: pa.DictionaryArray.from_arrays(
            places, pa.array([key[part] for key in bucket.keys], pa.string())
        )
        for part, name in enumerate(info.keys)
    }
    files = pa.array(np.asarray(bucket.files, dtype=np.int32))
    named = {name: column.cast(pa.string()) for name, column in keys.items()}
    return pa.table(named | {info.time: _times(bucket.steps, info)} | columns | {"file": files})


def _times(steps: Array, info: SetInfo) -> pa.Array:
    unknown = steps == NO_STEP
    starts = start_of(np.where(unknown, 0, steps), info.frequency)
    kind = pa.timestamp("s") if info.frequency == "hour" else pa.date32()
    return pa.array(starts, mask=unknown).cast(kind)
