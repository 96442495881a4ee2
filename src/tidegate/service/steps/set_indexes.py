"""The indexes of model sets: the file index.sqlite of a version, downloaded once and checked by its hash."""

import hashlib
import sqlite3
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from tidegate.cloud.assets import datastore_path_of
from tidegate.domain.model_sets.facts import INDEX_TAG, SetFacts, read_facts
from tidegate.domain.model_sets.members import (
    Member,
    MemberQuery,
    errors_query,
    member_of,
    members_query,
)
from tidegate.errors import NotFoundError, PermanentError
from tidegate.service.context import ServiceContext

LOOKUP = "index.sqlite"
_MOST_BYTES = 512 * 1024 * 1024
_MOST_FILES = 8  # a function app has little temporary storage


@dataclass(frozen=True)
class OpenIndex:
    """The index of a version: its facts, and the local copy of its file."""

    facts: SetFacts
    path: Path

    def members(self, query: MemberQuery, after: str | None, limit: int) -> list[Member]:
        """Return a page of the rows that a query asks for, in the order of their keys."""
        statement, parameters = members_query(self.facts.keys, query, after, limit)
        try:
            return [member_of(dict(row), self.facts.keys) for row in self._read(statement, parameters)]
        except KeyError as error:
            raise _no_index(error) from error

    def errors(self, metric: str) -> dict[str, list[float]]:
        """Return the values of a metric that the members have, and those of the champion's members."""
        rows = self._read(errors_query(metric), [])
        return {
            name: [float(row[column]) for row in rows if row[column] is not None]
            for column, name in enumerate(("members", "champion"))
        }

    def _read(self, statement: str, parameters: Sequence[Any]) -> Sequence[sqlite3.Row]:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro&immutable=1", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            try:
                return connection.execute(statement, parameters).fetchall()
            except sqlite3.Error as error:
                raise _no_index(error) from error


class SetIndexes:
    """The indexes that this process has opened, by model and version. Versions never change."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._open: OrderedDict[tuple[str, str], OpenIndex] = OrderedDict()
        self._lock = Lock()

    def open(self, model: str, version: str) -> OpenIndex:
        """Return the index of a version in development.

        Raise NotFoundError if the version does not exist or is no model set, and PermanentError if its files
        do not match their hashes.
        """
        with self._lock:
            index = self._open.get((model, version))
            if index:
                self._open.move_to_end((model, version))
                return index
        index = self._download(model, version)
        with self._lock:
            self._open[model, version] = index
            while len(self._open) > _MOST_FILES:
                self._open.popitem(last=False)[1].path.unlink(missing_ok=True)
        return index

    def _download(self, model: str, version: str) -> OpenIndex:
        workspace, name = self._context.development, f"{model}:{version}"
        registered = workspace.models.find(model, version)
        if registered is None:
            raise NotFoundError(f"development has no model {name}")
        facts = self.facts(model, version)
        if facts is None:
            raise NotFoundError(f"{name} is no model set: its MLmodel file has no metadata tidegate_set")
        tagged = registered.tags.get(INDEX_TAG, facts.index_sha256)
        if tagged != facts.index_sha256:
            why = f"the files of {name} are not those of its tag {INDEX_TAG}"
            raise PermanentError(f"{why}: register it again")
        datastore, folder = datastore_path_of(registered.uri)
        source, digest, path = f"{folder.rstrip('/')}/{LOOKUP}", hashlib.sha256(), self._new_file()
        with path.open("wb") as file:
            for chunk in workspace.datastores.chunks(datastore, source, _MOST_BYTES):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != facts.lookup_sha256:
            path.unlink()
            raise PermanentError(f"{LOOKUP} of {name} does not match its hash in MLmodel: register it again")
        return OpenIndex(facts, path)

    def facts(self, model: str, version: str) -> SetFacts | None:
        """Return what the MLmodel file of a version says, or None if it is no model set."""
        try:
            return read_facts(self._context.development.assets.mlmodel(model, version))
        except ValueError as error:
            raise PermanentError(f"{model}:{version} cannot be read: {error}") from error

    def _new_file(self) -> Path:
        with self._lock:
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="tidegate-indexes-")
        with tempfile.NamedTemporaryFile(dir=self._folder.name, suffix=".sqlite", delete=False) as file:
            return Path(file.name)


def _no_index(error: Exception) -> PermanentError:
    return PermanentError(f"{LOOKUP} is not an index of a model set: {error!r}")
