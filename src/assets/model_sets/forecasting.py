"""Forecasts for the rows of a table with many keys, each by the member of its key."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model_sets.errors import NoMemberError, SetError, TableError, UnknownKeyError
from model_sets.index import IndexRow
from model_sets.info import SetInfo
from model_sets.members import Member, MemberRows
from model_sets.times import NO_STEP, steps_of

Array = np.ndarray[Any, Any]
SCHEMA = pa.schema(
    [
        ("forecast", pa.float64()),
        ("trained_in", pa.string()),
        ("state", pa.string()),
        ("reason", pa.string()),
    ]
)
NO_KEY = "a key column has no value"
NO_TIME = "the time column has no value"


def key_texts(column: Any, name: str, where: str = "the table") -> Any:
    """Return a key column as text, null where it is null or empty.

    Raise TableError if values of its type may be spelled in several ways.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    types = pa.types
    fits = types.is_string(kind) or types.is_large_string(kind) or types.is_integer(kind)
    if not (fits or types.is_boolean(kind) or types.is_date(kind) or types.is_null(kind)):
        raise TableError(
            f"key column {name!r} of {where} has type {kind}; keys are text, whole numbers, booleans or dates"
        )
    texts = column.cast(pa.string())
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def forecast_table(
    table: pa.Table,
    info: SetInfo,
    find: Callable[[tuple[str, ...]], IndexRow | None],
    load: Callable[[tuple[str, ...]], Member],
) -> pa.Table:
    """Return the forecasts of a table's rows in their order, with SCHEMA. `find` and `load` look up keys.

    `state` is `ok`, `fallback`, `no_key`, `no_member` or `failed`, with the reason. Raise TableError if a
    column is missing or has another type. Values of the target, if the table has it, count as history.
    """
    needed = (*info.keys, info.time, *info.covariates)
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise TableError(f"the table has no column {', '.join(map(repr, missing))}")
    steps = steps_of(table[info.time], info.frequency, info.time)
    covariates = _numbers(table, info.covariates)
    values = _numbers(table, [info.target])[:, 0] if info.target in table.column_names else None
    result = _Result(table.num_rows)
    for key, rows in _groups([key_texts(table[name], name) for name in info.keys]):
        if any(value is None for value in key):
            result.refuse(rows, "no_key", NO_KEY)
            continue
        dated = rows[steps[rows] != NO_STEP]
        result.refuse(rows[steps[rows] == NO_STEP], "failed", NO_TIME)
        if not len(dated):
            continue

        def frame(chosen: Array = dated) -> Any:
            return table.select(needed).take(chosen).to_pandas()

        known = None if values is None else values[dated]
        asked = MemberRows(steps[dated], covariates[dated], frame, known)
        result.add(dated, find(key), partial(load, key), asked)
    return result.table()


class _Result:
    """The columns of the answer, filled key by key."""

    def __init__(self, size: int) -> None:
        self.forecasts = np.full(size, np.nan)
        self.trained_in = np.full(size, None, object)
        self.states = np.full(size, None, object)
        self.reasons = np.full(size, None, object)

    def refuse(self, rows: Array, state: str, reason: str | None) -> None:
        self.states[rows], self.reasons[rows] = state, reason

    def add(self, rows: Array, entry: IndexRow | None, load: Callable[[], Member], asked: MemberRows) -> None:
        """Ask a member. A damaged shard ends the whole table, whereas a member that fails is a reason."""
        if entry is not None:
            self.trained_in[rows] = entry.trained_in
        try:
            member = load()
        except (UnknownKeyError, NoMemberError) as error:
            failed = entry is not None and entry.state == "failed"
            self.refuse(rows, "failed" if failed else "no_member", str(error))
            return
        except SetError:
            raise
        except Exception as error:  # noqa: BLE001  loading a user's member runs the user's code
            self.refuse(rows, "failed", f"the member cannot be loaded: {type(error).__name__}: {error}")
            return
        try:
            answers = np.asarray(member.forecast(asked), np.float64)
        except Exception as error:  # noqa: BLE001  a member of a user's own may raise anything
            self.refuse(rows, "failed", f"the member failed: {type(error).__name__}: {error}")
            return
        self.forecasts[rows] = answers
        fallback = entry.fallback if entry else None
        self.refuse(rows, "fallback" if fallback else "ok", entry.reason if entry and fallback else None)
        self.refuse(rows[~np.isfinite(answers)], "failed", "the member gave no number for this time")
        self.forecasts[rows[~np.isfinite(answers)]] = np.nan

    def table(self) -> pa.Table:
        forecasts = pa.array(self.forecasts, from_pandas=True)
        texts = (pa.array(column, pa.string()) for column in (self.trained_in, self.states, self.reasons))
        return pa.table([forecasts, *texts], schema=SCHEMA)


def _numbers(table: pa.Table, names: Sequence[str]) -> Array:
    """Return columns as float32 (rows, columns), NaN where they are null."""
    numbers = np.full((table.num_rows, len(names)), np.nan, np.float32)
    for place, name in enumerate(names):
        kind, types = table[name].type, pa.types
        if not (
            types.is_integer(kind)
            or pa.types.is_floating(kind)
            or pa.types.is_boolean(kind)
            or pa.types.is_decimal(kind)
            or pa.types.is_null(kind)
        ):
            raise TableError(f"column {name!r} has type {kind}, and a number is needed")
        numbers[:, place] = table[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
    return numbers


def _groups(columns: Sequence[Any]) -> list[tuple[tuple[Any, ...], Array]]:
    """Return each key with its rows, in the order of the first ones."""
    if not len(columns[0]):
        return []
    encoded = [pc.dictionary_encode(column, null_encoding="encode").combine_chunks() for column in columns]
    arrays = [chunk.chunk(0) if isinstance(chunk, pa.ChunkedArray) else chunk for chunk in encoded]
    codes = np.zeros(len(columns[0]), np.int64)
    for array in arrays:
        codes = codes * max(len(array.dictionary), 1) + array.indices.to_numpy(zero_copy_only=False)
        _, codes = np.unique(codes, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    words = [array.dictionary.to_pylist() for array in arrays]
    numbers = [array.indices.to_numpy(zero_copy_only=False) for array in arrays]
    groups = np.split(order, starts[1:])
    return [
        (tuple(known[number[rows[0]]] for known, number in zip(words, numbers, strict=True)), rows)
        for rows in groups
    ]
