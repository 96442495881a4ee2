"""The document store: JSON documents of the emulated resources in SQLite, by path."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Document = dict[str, Any]

_SCHEMA = """
create table if not exists document (
    key text primary key,
    path text not null,
    parent text not null,
    number integer not null,
    body text not null
);
create index if not exists document_parent on document (parent, number);
create index if not exists document_type on document (substr(parent, instr(parent, '/providers/')), number);
create index if not exists document_name on document (substr(key, instr(key, '/providers/')), number);
create table if not exists counter (name text primary key, value integer not null);
"""


class Store:
    """Documents by path (`/a/b/c`). Paths are compared without case, as ARM ids are. Each write is committed.

    `number` is the order of creation, in which `children` and `below` return documents.
    """

    def __init__(self, file: Path | str) -> None:
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=off")
        self._db.executescript(_SCHEMA)

    def get(self, path: str) -> Document | None:
        row = self._db.execute("select body from document where key = ?", (_key(path),)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, path: str, body: Document) -> None:
        """Create or replace a document. A replaced document keeps its number."""
        key = _key(path)
        self._db.execute(
            "insert into document (key, path, parent, number, body) values (?, ?, ?, ?, ?) "
            "on conflict (key) do update set body = excluded.body",
            (key, path.rstrip("/"), key.rpartition("/")[0], self.next("document"), json.dumps(body)),
        )

    def delete(self, path: str) -> bool:
        return self._db.execute("delete from document where key = ?", (_key(path),)).rowcount > 0

    def children(self, collection: str) -> Iterator[tuple[str, Document]]:
        """Yield (path, document) of each direct child, oldest first."""
        rows = self._db.execute(
            "select path, body from document where parent = ? order by number", (_key(collection),)
        ).fetchall()
        return ((path, json.loads(body)) for path, body in rows)

    def spelled(self, path: str) -> str | None:
        """Return the path of a document as it was written first, or None if there is no such document."""
        row = self._db.execute("select path from document where key = ?", (_key(path),)).fetchone()
        return str(row[0]) if row else None

    def of_type(self, type_: str) -> Iterator[Document]:
        """Yield the resources of a type such as `Microsoft.Web/sites` in all groups, oldest first."""
        rows = self._db.execute(
            "select body from document "
            "where substr(parent, instr(parent, '/providers/')) = ? order by number",
            (_key(f"/providers/{type_}"),),
        ).fetchall()
        return (json.loads(body) for (body,) in rows)

    def path_of(self, type_: str, name: str) -> str | None:
        """Return the path of the resource with a type and a name, in whichever group it is, or None."""
        row = self._db.execute(
            "select path from document where substr(key, instr(key, '/providers/')) = ? order by number",
            (_key(f"/providers/{type_}/{name}"),),
        ).fetchone()
        return str(row[0]) if row else None

    def below(self, prefix: str) -> Iterator[tuple[str, Document]]:
        """Yield (path, document) of all documents at any depth under a path, oldest first."""
        key = _key(prefix) + "/"
        rows = self._db.execute(
            "select path, body from document where key >= ? and key < ? order by number",
            (key, key[:-1] + "0"),
        ).fetchall()
        return ((path, json.loads(body)) for path, body in rows)

    def next(self, counter: str) -> int:
        """Return the next number of a counter: 1, 2, 3 ... also across restarts."""
        (value,) = self._db.execute(
            "insert into counter values (?, 1) "
            "on conflict (name) do update set value = value + 1 returning value",
            (counter,),
        ).fetchone()
        return int(value)

    def clear(self) -> None:
        self._db.executescript("delete from document; delete from counter;")

    def close(self) -> None:
        self._db.close()


def _key(path: str) -> str:
    return path.rstrip("/").lower()
