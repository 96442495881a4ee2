"""The settings of a training, which its first step writes for all other steps."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from model_sets.info import SetInfo
from model_sets.sources import Column, Header, Source
from model_sets.split import Plan

FILE = "training.json"


@dataclass(frozen=True)
class Settings:
    """What a training does. `training` names it, and is what the index has in `trained_in`.

    `trainer` is the name of a built-in trainer or of a file with `train(table, key)`. `base_shard` is the
    number of the first new shard. Keys with too few rows get the member of their group, which has the same
    values in the key columns `group_by`, or the baseline without these. `parameters` replace some of the
    trainer's own.
    """

    info: SetInfo
    model: str
    training: str
    trainer: str
    min_rows: int
    member_time_limit_s: float
    buckets: int
    data_names: str = ""
    base_shard: int = 0
    group_by: tuple[str, ...] = ()
    parameters: Mapping[str, float] = field(default_factory=dict)


def save(folder: Path, settings: Settings, plan: Plan, facts: Mapping[str, Any]) -> None:
    """Write settings, files and `facts` of a training."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "settings": asdict(settings) | {"info": {**settings.info.to_metadata(), "format": 1}},
        "sources": [[source.name, source.partition, source.error] for source in plan.sources],
        "headers": [
            {
                "columns": [[name, column.kind, column.type, column.zone] for name, column in header.columns],
                "delimiter": header.delimiter,
            }
            for header in plan.headers
        ],
        "facts": dict(facts),
    }
    (folder / FILE).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def load(folder: Path) -> Settings:
    values = _read(folder)["settings"]
    special = {"info": SetInfo.from_metadata(values["info"]), "group_by": tuple(values["group_by"])}
    return Settings(**values | special)


def load_facts(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = _read(folder)["facts"]
    return facts


def load_plan(folder: Path, data: Path) -> Plan:
    """Return the checked files of a training, as they lie below `data` on this node."""
    content, settings = _read(folder), load(folder)
    sources = [Source(name, data / name, partition, error) for name, partition, error in content["sources"]]
    headers = [
        Header(
            tuple((name, Column(kind, type_, zone)) for name, kind, type_, zone in header["columns"]),
            header["delimiter"],
        )
        for header in content["headers"]
    ]
    return Plan(settings.info, tuple(sources), tuple(headers), settings.buckets)


def file_names(folder: Path) -> list[str]:
    return [name for name, _, _ in _read(folder)["sources"]]


def _read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return content


def set_info(args: argparse.Namespace, prepare: str = "") -> SetInfo:
    """Return what the arguments of a step say of the set. Raise SetError if its columns do not fit.

    `prepare` is the SHA-256 of the set's prepare.py, or empty.
    """
    return SetInfo(
        keys=tuple(json.loads(args.keys)),
        target=args.target,
        time=args.time,
        horizon=args.horizon,
        frequency=args.frequency,
        covariates=tuple(json.loads(args.covariates)),
        prepare=prepare,
    )
