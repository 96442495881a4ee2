"""Steps: the number of the hour, day, week or month since 1970 that a time belongs to.

A time with a zone belongs to the day of its own wall clock. An instant without one belongs to its day in UTC.
The time zone of the machine makes no difference.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model_sets.errors import TableError

Array = np.ndarray[Any, Any]
NO_STEP = np.iinfo(np.int64).min
MONDAY = 3  # 1970-01-01 was a Thursday, so that weeks begin three days earlier
UNITS = {"hour": "h", "day": "D", "month": "M"}


def steps_of(column: Any, frequency: str, name: str = "time") -> Array:
    """Return the step of each time in an Arrow column: int64, NO_STEP where it is null.

    Dates, timestamps and text in ISO 8601 are times. Raise TableError, which names the column, for others.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        times = _parse(column, name)
    elif pa.types.is_timestamp(kind):
        times = pc.local_timestamp(column) if kind.tz else column
        times = times.cast(pa.timestamp("s"), safe=False).to_numpy(zero_copy_only=False)
    elif pa.types.is_date(kind):
        times = column.cast(pa.date32()).to_numpy(zero_copy_only=False)
    else:
        raise TableError(f"column {name!r} has type {kind}, and a date or a time is needed")
    return to_steps(times.astype("datetime64[s]"), frequency)


def to_steps(times: Array, frequency: str) -> Array:
    """Return the step of each NumPy time."""
    missing = np.isnat(times)
    if frequency == "week":
        steps = (times.astype("datetime64[D]").astype(np.int64) + MONDAY) // 7
    else:
        steps = times.astype(f"datetime64[{UNITS[frequency]}]").astype(np.int64)
    return np.where(missing, NO_STEP, steps)


def start_of(steps: Array, frequency: str) -> Array:
    """Return the time at which each step begins, as a NumPy day or hour."""
    steps = np.asarray(steps, dtype=np.int64)
    if frequency == "week":
        return (steps * 7 - MONDAY).astype("datetime64[D]")
    starts = steps.astype(f"datetime64[{UNITS[frequency]}]")
    return starts if frequency == "hour" else starts.astype("datetime64[D]")


def time_of(step: int, frequency: str) -> str:
    """Return the begin of a step as text: 2026-11-05, or 2026-11-05T13:00 if steps are hours."""
    text = str(start_of(np.array([step]), frequency)[0])
    return f"{text}:00" if frequency == "hour" else text


def _parse(column: Any, name: str) -> Array:
    """Return the wall-clock time of ISO 8601 texts. An offset at the end belongs to the wall clock."""
    texts = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    bare = pc.replace_substring_regex(texts, r"^(\d{4}-\d\d-\d\d.*?) ?(Z|[+-]\d\d(:?\d\d)?)$", r"\1")
    bare = pc.if_else(pc.equal(bare, ""), pa.scalar(None, bare.type), bare)
    try:
        return pc.cast(bare, pa.timestamp("us")).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    except pa.ArrowInvalid as error:
        raise TableError(f"column {name!r} has a text that is no date: {error}") from error
