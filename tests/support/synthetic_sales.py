"""Seeded synthetic sales of many products in many stores: weekdays, seasons, promotions, trends and noise."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Array = np.ndarray[Any, Any]
STORES = 50
FIRST_DAY = np.datetime64("2015-01-01", "D").astype(int)


@dataclass(frozen=True)
class Sales:
    """Sales of `keys` pairs of store and product on `days` days, the same for the same seed."""

    keys: int
    days: int
    seed: int = 7

    def names(self) -> tuple[list[str], list[str]]:
        """Return store and product of each key."""
        numbers = range(self.keys)
        return [f"S{n % STORES:03}" for n in numbers], [f"P{n // STORES:04}" for n in numbers]

    def table(self, first: int, days: int, *, target: bool = True) -> pa.Table:
        """Return the rows of `days` days, the first of them `first` days after the begin, by day and key."""
        sold, price, promotion = self._values(first, days)
        stores, products = self.names()
        places = np.tile(np.arange(self.keys, dtype=np.int32), days)
        dates = np.repeat(np.arange(FIRST_DAY + first, FIRST_DAY + first + days, dtype=np.int32), self.keys)
        columns = {
            "store": pa.DictionaryArray.from_arrays(places, stores).cast(pa.string()),
            "product": pa.DictionaryArray.from_arrays(places, products).cast(pa.string()),
            "day": pa.array(dates, pa.date32()),
            "sold": sold.T.reshape(-1),
            "price": price.T.reshape(-1),
            "promotion": promotion.T.reshape(-1),
        }
        return pa.table(columns if target else {name: columns[name] for name in columns if name != "sold"})

    def write(self, folder: Path, files: int = 16) -> Iterator[Path]:
        """Write the rows into files of consecutive days, and yield their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, days in enumerate(np.array_split(np.arange(self.days), files)):
            path = folder / f"sales-{number:03}.parquet"
            pq.write_table(self.table(int(days[0]), len(days)), path)
            yield path

    def _values(self, first: int, days: int) -> tuple[Array, Array, Array]:
        """Return sold, price and promotion, each (keys, days)."""
        known = np.random.default_rng(self.seed)
        level = known.lognormal(3.5, 0.6, (self.keys, 1))
        weekdays = known.uniform(0.6, 1.5, (self.keys, 7))
        season, phase = known.uniform(0.1, 0.4, (self.keys, 1)), known.uniform(0, 365, (self.keys, 1))
        trend = known.normal(0, 0.0001, (self.keys, 1))
        usual = known.uniform(1, 20, (self.keys, 1))
        effect = known.uniform(1.3, 2.2, (self.keys, 1))

        chance = np.random.default_rng([self.seed, first])
        day = np.arange(first, first + days)[None, :]
        promotion = (chance.random((self.keys, days), np.float32) < 0.08).astype(np.int8)
        price = np.round(usual * np.where(promotion, 0.8, 1.0), 2).astype(np.float32)
        expected = level * (1 + trend * day) * weekdays[:, day[0] % 7]
        expected = expected * (1 + season * np.sin((day + phase) * (2 * np.pi / 365.25)))
        expected = expected * np.where(promotion, effect, 1.0)
        noise = 1 + 0.2 * chance.standard_normal((self.keys, days), np.float32)
        return np.maximum(np.round(expected * noise), 0).astype(np.float32), price, promotion
