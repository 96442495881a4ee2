"""Synthetic sales of stores and products: the same for each run, with faults that a real feed has."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Key = tuple[str, str]
HISTORY, ARRIVES = "202610", "202611"  # the first delivery has the history of six months
FIRST_DAY = date(2026, 5, 1)
_WEEK = np.array([0.8, 0.8, 0.9, 1.0, 1.3, 1.6, 0.6])
_NEVER = date.max


@dataclass(frozen=True)
class Faults:
    """The keys of the example that are different from the others."""

    too_few: Key  # sold for a few weeks only, and long enough a month later
    constant: Key  # always the same value
    vanishes: Key  # no longer sold after October
    no_price: Key  # its price is never given
    regime: Key  # four times the sales from November on
    new: Key  # sold from November on

    @property
    def texts(self) -> dict[Key, str]:
        return {
            self.too_few: "too few rows",
            self.constant: "a constant target",
            self.vanishes: "no rows after October",
            self.no_price: "no price",
            self.regime: "four times the sales from November on",
            self.new: "new in November",
        }


def all_keys(count: int) -> list[Key]:
    """Return the keys, at most 20 products a store. Stores are texts such as `001`."""
    return [(f"{1 + number // 20:03}", f"{1 + number % 20:02}") for number in range(count)]


def faults_of(keys: list[Key]) -> Faults:
    """Return the keys with faults, which are spread over the others."""
    step = max(len(keys) // 6, 1)
    return Faults(*(keys[number * step] for number in range(6)))


def actual_values(keys: list[Key], first: date, last: date) -> pa.Table:
    """Return the sales from `first` to `last`, both included: store, product, date, price and units."""
    faults = faults_of(keys)
    return _table([row for key in keys for row in _rows(key, faults, first, last)])


def delivery(keys: list[Key], month: str) -> dict[str, bytes]:
    """Return the files of a month: its actual values, and the plan for the next month."""
    first = date(int(month[:4]), int(month[4:]), 1)
    begin = FIRST_DAY if month == HISTORY else first
    until = _first_of_next(first)
    known = [key for key in keys if month != HISTORY or key != faults_of(keys).new]
    planned = [key for key in known if month == HISTORY or key != faults_of(keys).vanishes]
    return {
        "sales.parquet": _parquet(actual_values(keys, begin, until - timedelta(days=1))),
        "plan.parquet": _parquet(_planned(planned, keys, until)),
        "_SUCCESS": b"",
    }


def _planned(planned: list[Key], keys: list[Key], first: date) -> pa.Table:
    last, faults = _first_of_next(first) - timedelta(days=1), faults_of(keys)
    rows = [(*row[:4], None) for key in planned for row in _rows(key, faults, first, last, planned=True)]
    return _table(rows)


def _rows(
    key: Key, faults: Faults, first: date, last: date, *, planned: bool = False
) -> Iterator[tuple[str, str, date, float | None, int | None]]:
    store, product = key
    level = 5 + (int(store) * 7 + int(product) * 13) % 40
    starts = {faults.too_few: date(2026, 9, 4), faults.new: date(2026, 11, 1)}.get(key, FIRST_DAY)
    ends = date(2026, 10, 31) if key == faults.vanishes and not planned else _NEVER
    day = max(first, starts)
    while day <= min(last, ends):
        draw = np.random.default_rng([int(store), int(product), day.toordinal()])
        offer = draw.random() < 0.15
        price = None if key == faults.no_price else round(10 * (0.8 if offer else 1.0), 2)
        mean = level * _WEEK[day.weekday()] * (1.5 if offer else 1.0)
        if key == faults.regime and day >= date(2026, 11, 1):
            mean *= 4
        units = 7 if key == faults.constant else int(draw.poisson(mean))
        yield store, product, day, price, units
        day += timedelta(days=1)


def _table(rows: list[tuple[str, str, date, float | None, int | None]]) -> pa.Table:
    types = [pa.string(), pa.string(), pa.date32(), pa.float64(), pa.int64()]
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    return pa.table(arrays, names=["store", "product", "date", "price", "units"])


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _first_of_next(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)
