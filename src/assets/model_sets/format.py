"""The folder of a set: one MLflow model with an index and with shards that hold the members."""

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from model_sets import mlmodel
from model_sets.contents import load_member
from model_sets.errors import CorruptShardError, NoMemberError, SetError, UnknownKeyError
from model_sets.features import FeaturePlan
from model_sets.forecasting import forecast_table
from model_sets.index import SQLITE, IndexRow, read_index, spell, table_to_rows, write_index
from model_sets.info import METADATA, SetInfo
from model_sets.members import Member
from model_sets.prepared import PREPARE, Prepare, load_prepare, prepare_files, prepare_table
from model_sets.shards import FOLDER, ShardReader, ShardWriter, entry_name
from model_sets.sources import Source


def write_set(
    folder: Path, info: SetInfo, index: pa.Table, shards: Mapping[str, Path], prepare: Path | None = None
) -> str:
    """Write a set: `shards` maps names such as `00.zip` to finished files. Return the index's SHA-256.

    `prepare` is the file prepare.py if the facts have its hash. MLmodel is written last, so a folder without
    it is not complete. Raise SetError if the index is not complete, or names a shard that is not given.
    """
    named = {name for name in index["shard"].unique().to_pylist() if name is not None}
    missing = sorted(named - set(shards))
    if missing:
        raise SetError(f"the index names the shard {missing[0]}, which is not given")
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for name in sorted(named):
        _place(shards[name], folder / FOLDER / name)
    if info.prepare:
        load_prepare(prepare or folder / PREPARE, info.prepare)
        _place(prepare or folder / PREPARE, folder / PREPARE)
    sha256 = write_index(folder, index, info.keys)
    code = folder / "code" / "model_sets"
    code.mkdir(parents=True, exist_ok=True)
    for module in sorted(Path(__file__).parent.glob("*.py")):
        shutil.copyfile(module, code / module.name)
    states = Counter(index["state"].to_pylist())
    facts = info.to_metadata() | {
        "index_sha256": sha256,
        "sqlite_sha256": hashlib.sha256((folder / SQLITE).read_bytes()).hexdigest(),
        "members": index.num_rows - index["entry"].null_count,
        "states": dict(sorted(states.items())),
    }
    mlmodel.write(folder, info, facts)
    return sha256


def open_set(folder: Path) -> "ModelSet":
    """Return the set in a folder. Raise CorruptIndexError if its index does not match its hash."""
    try:
        content = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
        metadata = content["metadata"][METADATA]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise SetError(f"{folder} is no model set: {error!r}") from error
    return ModelSet(folder, metadata)


class ModelSet:
    """An open set. Members are read from their shards one by one, and each is verified."""

    def __init__(self, folder: Path, metadata: Mapping[str, Any]) -> None:
        self.folder = folder
        self.info = SetInfo.from_metadata(metadata)
        self.index_sha256 = str(metadata["index_sha256"])
        self.index: pa.Table = read_index(folder, self.index_sha256)
        self.plan = FeaturePlan.of(self.info)
        self._shards: dict[str, ShardReader] = {}
        columns = [self.index[name].to_pylist() for name in self.info.keys]
        self._places = {key: place for place, key in enumerate(zip(*columns, strict=True))}

    def find(self, key: Sequence[str]) -> IndexRow | None:
        """Return the row of a key, or None if the set does not have it."""
        place = self._places.get(tuple(key))
        return None if place is None else table_to_rows(self.index.slice(place, 1), self.info.keys)[0]

    def read(self, row: IndexRow) -> bytes:
        """Return the content of a member's entry.

        Raise CorruptShardError if it is damaged, or NoMemberError with the reason if there is none.
        """
        if row.shard is None or row.entry is None or row.sha256 is None:
            raise NoMemberError(row.reason or f"the key has no member, its state is {row.state}")
        try:
            return self._shard(row.shard).read(row.entry, row.sha256)
        except CorruptShardError as error:
            raise CorruptShardError(f"{error} (the member of {self.spell(row.key)})") from error

    def member(self, key: Sequence[str]) -> Member:
        """Return the member of a key.

        Raise UnknownKeyError if the set does not have the key, NoMemberError if the key has no member, and
        CorruptShardError if the member's entry is damaged.
        """
        row = self.find(key)
        if row is None:
            raise UnknownKeyError(f"the set has no key {self.spell(key)}")
        return self.load(row)

    def load(self, row: IndexRow) -> Member:
        """Return the member of an index row. Raise NoMemberError or CorruptShardError, as `member` does."""
        content = self.read(row)
        try:
            return load_member(str(row.loader), content, self.plan)
        except SetError as error:
            raise CorruptShardError(f"the member of {self.spell(row.key)}: {error}") from error

    def forecast(self, table: pa.Table) -> pa.Table:
        """Return forecast, trained_in, state and reason for each row of a table, in their order."""
        return forecast_table(self.prepared(table), self.info, self.find, self.member)

    def prepared(self, table: pa.Table) -> pa.Table:
        """Return a raw table as the set's prepare.py changes it, or unchanged if there is none."""
        return table if self._prepare is None else prepare_table(table, self._prepare, "the table")

    def prepared_files(self, sources: Sequence[Source], scratch: Path) -> list[Source]:
        """Return files as the set's prepare.py changes them, or the same files if there is none."""
        return list(sources) if self._prepare is None else prepare_files(sources, self._prepare, scratch)

    @cached_property
    def _prepare(self) -> Prepare | None:
        return load_prepare(self.folder / PREPARE, self.info.prepare) if self.info.prepare else None

    def rows(self) -> list[IndexRow]:
        return table_to_rows(self.index, self.info.keys)

    def spell(self, key: Sequence[str]) -> str:
        return spell(dict(zip(self.info.keys, key, strict=True)), self.info.keys)

    def shard_path(self, name: str) -> Path:
        return self.folder / FOLDER / name

    def close(self) -> None:
        for shard in self._shards.values():
            shard.close()
        self._shards.clear()

    def _shard(self, name: str) -> ShardReader:
        if name not in self._shards:
            self._shards[name] = ShardReader(self.shard_path(name))
        return self._shards[name]


def copy_members(source: ModelSet, rows: Iterable[IndexRow], shard: Path) -> list[IndexRow]:
    """Copy members of a set into one new shard, and return their rows with the new place.

    Rows without a member are returned unchanged.
    """
    copied, writer = [], ShardWriter(shard)
    for row in rows:
        if row.entry is None or row.loader is None:
            copied.append(row)
            continue
        entry = entry_name(row.key, row.loader)
        sha256 = writer.add(entry, source.read(row))
        copied.append(replace(row, shard=shard.name, entry=entry, sha256=sha256))
    writer.close()
    return copied


def _place(source: Path, target: Path) -> None:
    """Link a file to a second name, or copy it if the two are on different file systems."""
    if source.resolve() == target.resolve():
        return
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
