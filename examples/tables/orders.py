"""Synthetic orders: the same for each run, with the faults that real tables have."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SHOPS = [f"{number:03}" for number in range(1, 13)]  # texts: a leading zero must not get lost


def history(rows: int = 2000) -> pa.Table:
    """Return orders of the past with the hours until their delivery, on which a model is trained."""
    return _delivered("history", rows, seed=0)


def holdout(rows: int = 500) -> pa.Table:
    """Return later orders with their hours, on which each version of the model is judged."""
    return _delivered("holdout", rows, seed=1)


def _delivered(prefix: str, rows: int, seed: int) -> pa.Table:
    draw = np.random.default_rng(seed)
    table = _orders(draw, prefix, rows)
    shop = np.array([SHOPS.index(name) for name in table["shop"].to_pylist()])
    hours = 12 + 2.5 * shop + 1.5 * table["items"].to_numpy() + 0.8 * table["weight_kg"].to_numpy()
    return table.append_column("hours", pa.array(np.round(hours + draw.normal(0, 2, rows), 1)))


def month_of(month: str, rows: int = 500) -> dict[str, bytes]:
    """Return the files of a month: two tables, one as CSV.

    One order lacks its weight, which the model allows, and one its number of items, which it does not.
    """
    table = _orders(np.random.default_rng(int(month)), month, rows)
    half = rows // 2
    lines = ["order,shop,items,weight_kg"]
    for number, row in enumerate(table.slice(half).to_pylist()):
        weight, items = "" if number == 0 else row["weight_kg"], "" if number == 1 else row["items"]
        lines.append(f"{row['order']},{row['shop']},{items},{weight}")
    buffer = io.BytesIO()
    pq.write_table(table.slice(0, half), buffer)
    return {
        "north/orders.parquet": buffer.getvalue(),
        "south/orders.csv": "\n".join(lines).encode(),
        "_SUCCESS": b"",
    }


def _orders(draw: np.random.Generator, prefix: str, rows: int) -> pa.Table:
    return pa.table(
        {
            "order": [f"{prefix}-{number:05}" for number in range(rows)],
            "shop": draw.choice(SHOPS, rows).tolist(),
            "items": draw.integers(1, 9, rows),
            "weight_kg": np.round(draw.uniform(0.1, 20, rows), 2),
        }
    )
