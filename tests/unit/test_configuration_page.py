"""docs/configuration.md names every key of tidegate.yml with its default, and no other."""

import re
from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tidegate.config.activity_kinds import KINDS, event_type
from tidegate.config.schema import Config

PAGE = Path("docs/configuration.md").read_text(encoding="utf-8")
# Sections that the page describes once and that stand in several places.
ONCE = {
    "workspaces.production",
    "models.NAME.gate.training.METRIC",
    "models.NAME.gate.slices.metrics.METRIC",
    "models.NAME.evaluate.limits",
    "models.NAME.drift.limits",
    "models.NAME.set.limits",
    "models.NAME.budget",
}
PLACEHOLDERS = {
    "inputs": "NAME",
    "parameters": "NAME",
    "feeds": "NAME",
    "models": "NAME",
    "metrics": "METRIC",
    "training": "METRIC",
    "clusters": "NAME",
}


def in_the_page() -> dict[str, str]:
    """Dotted key -> default, from the tables under headings that are a section's name."""
    found: dict[str, str] = {}
    section: str | None = None
    for line in PAGE.splitlines():
        if heading := re.fullmatch(r"#+ (?:`(?P<section>[\w.]+)`|(?P<top>Top level)|.*)", line):
            section = "" if heading["top"] else heading["section"]
        elif section is not None and (row := re.match(r"\| `(\w+)` \| (.*?) \|", line)):
            found[f"{section}.{row[1]}".removeprefix(".")] = row[2]
    return found


def in_the_model(section: type[BaseModel], path: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, field in section.model_fields.items():
        key = f"{path}.{field.alias or name}".removeprefix(".")
        found[key] = default_of(field)
        inner, of_names = model_in(field.annotation)
        place = f"{key}.{PLACEHOLDERS[name]}" if of_names else key
        if inner and place not in ONCE:
            found |= in_the_model(inner, place)
    return found


def model_in(kind: Any) -> tuple[type[BaseModel] | None, bool]:
    """The section that a key holds, and whether it holds several by name."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind, False
    if get_origin(kind) is Annotated:
        return model_in(get_args(kind)[0])
    if isinstance(kind, UnionType) or get_origin(kind) in (list, dict):
        inner = (model_in(argument)[0] for argument in get_args(kind))
        return next((model for model in inner if model), None), get_origin(kind) is dict
    return None, False


WRITTEN: dict[type, Callable[[Any], str]] = {
    BaseModel: lambda _: "see below",
    timedelta: lambda duration: next(
        f"{duration // timedelta(seconds=length)}{unit}"
        for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
        if not duration % timedelta(seconds=length)
    ),
    Enum: lambda choice: str(choice.value),
    ZoneInfo: lambda zone: str(zone.key),
    bool: lambda flag: str(flag).lower(),
    list: lambda values: f"[{', '.join(map(str, values))}]",
}


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default in (None, {}, []):
        return "none"
    write = next((write for kind, write in WRITTEN.items() if isinstance(field.default, kind)), str)
    return write(field.default)


def test_every_key_stands_there_with_its_default_and_no_other() -> None:
    assert in_the_page() == in_the_model(Config)


def test_every_kind_of_event_stands_in_the_page_of_operations() -> None:
    page = Path("docs/operations.md").read_text(encoding="utf-8")
    rows = [f"| `{event_type(kind)}` | `{kind}` | {when} |" for kind, when in KINDS.items()]

    assert [row for row in rows if row not in page] == []


def test_every_kind_of_activity_stands_there() -> None:
    for kind, when in KINDS.items():
        assert f"| `{kind}` | {when} |" in PAGE
