"""The members of a model set: what the index says of a key, and the query that finds it in the index."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TABLE = "members"
STATES = ("candidate", "champion", "kept", "failed", "too_few_rows", "missing")
_PLAIN = ("state", "shard", "entry", "fallback", "trained_in", "trained_until", "rows", "reason")
_ESCAPE = "\\"
METRICS = ("mae", "rmse", "mape", "wape")


@dataclass(frozen=True)
class Member:
    """A row of an index: a key with its state, the metrics of its member, and those of the champion's."""

    key: Mapping[str, str]
    state: str
    shard: str | None
    entry: str | None
    fallback: str | None
    trained_in: str | None
    trained_until: str | None
    rows: int | None
    metrics: Mapping[str, float | None]
    champion: Mapping[str, float | None]
    reason: str | None

    @property
    def position(self) -> str:
        """The place of the key in the order of the index, as text."""
        return json.dumps(list(self.key.values()))


@dataclass(frozen=True)
class MemberQuery:
    """Which rows of an index are asked for: values of key columns, a state, and texts in the key.

    A text is found anywhere in the value of a key column, in upper or lower case.
    """

    where: Mapping[str, str] = field(default_factory=dict)
    state: str | None = None
    texts: Sequence[str] = ()


def parse_where(conditions: Sequence[str], keys: Sequence[str]) -> dict[str, str]:
    """Return the values of `store=12` conditions by key column. Raise ValueError for another column."""
    where: dict[str, str] = {}
    for condition in conditions:
        # A key column may have `=` in its name: take the longest one that fits.
        fits = [key for key in keys if condition.startswith(f"{key}=")]
        if not fits:
            example = " or ".join(f"{key}=..." for key in keys)
            raise ValueError(f"{condition!r} names no key column: write {example}")
        column = max(fits, key=len)
        where[column] = condition.removeprefix(f"{column}=")
    return where


def parse_search(search: str, keys: Sequence[str], state: str | None = None) -> MemberQuery:
    """Return the query that people write into one line: values of key columns, and texts, with commas."""
    parts = [part.strip() for part in search.split(",") if part.strip()]
    conditions = [part for part in parts if any(part.startswith(f"{key}=") for key in keys)]
    texts = [part for part in parts if part not in conditions]
    return MemberQuery(parse_where(conditions, keys), state, texts)


def members_query(
    keys: Sequence[str], query: MemberQuery, after: str | None, limit: int
) -> tuple[str, list[Any]]:
    """Return the SQL statement that reads a page of an index in the order of its keys, and its parameters.

    `after` is the position of the last row of the page before. Raise ValueError if it is none.
    """
    conditions = [f"{_quote(column)} = ?" for column in query.where]
    parameters: list[Any] = list(query.where.values())
    if query.state:
        conditions.append("state = ?")
        parameters.append(query.state)
    for text in query.texts:
        conditions.append(f"({' OR '.join(f'{_quote(key)} LIKE ? ESCAPE ?' for key in keys)})")
        parameters += [_pattern(text), _ESCAPE] * len(keys)
    columns = ", ".join(map(_quote, keys))
    if after is not None:
        conditions.append(f"({columns}) > ({', '.join('?' * len(keys))})")
        parameters += _read_position(after, len(keys))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT * FROM {TABLE}{where} ORDER BY {columns} LIMIT ?", [*parameters, limit]


def errors_query(metric: str) -> str:
    """Return the SQL statement that reads a metric of each member, and of the champion's member."""
    if metric not in METRICS:
        raise ValueError(f"{metric!r} is no metric of a member")
    return f"SELECT {metric}, champion_{metric} FROM {TABLE}"


def member_of(row: Mapping[str, Any], keys: Sequence[str]) -> Member:
    """Return a row of an index as a member."""
    return Member(
        key={key: row[key] for key in keys},
        **{name: row[name] for name in _PLAIN},
        metrics={metric: row[metric] for metric in METRICS},
        champion={metric: row[f"champion_{metric}"] for metric in METRICS},
    )


def _read_position(after: str, size: int) -> list[str]:
    try:
        values = json.loads(after)
    except ValueError:
        values = None
    if not isinstance(values, list) or len(values) != size or not all(isinstance(v, str) for v in values):
        raise ValueError("`after` is no place in this list: take it from the header Link of the page before")
    return values


def _pattern(text: str) -> str:
    """Return the pattern of SQL for a text anywhere in a value."""
    for special in (_ESCAPE, "%", "_"):
        text = text.replace(special, _ESCAPE + special)
    return f"%{text}%"


def _quote(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
