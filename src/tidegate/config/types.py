"""The kinds of values that tidegate.yml is made of, each with what it allows."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints

_ASSET_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Section(BaseModel):
    """A part of the file: frozen, and with no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value) if isinstance(value, str) else None
    if not match:
        raise ValueError("write a number and one of s, m, h, d: 90s, 15m, 6h, 3d")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise ValueError("must be longer than nothing: 90s, 15m, 6h, 3d")
    return value


def _month_pattern(value: str) -> str:
    shape = re.fullmatch(r"(?:[^{}\\]*/)?\{yyyy\}[/_-]?\{MM\}/", value)
    if not shape or value.startswith("/") or {"", ".", ".."} & set(value.removesuffix("/").split("/")):
        raise ValueError(
            'write folders with {yyyy} and {MM} and a slash at the end: "{yyyy}{MM}/", "in/{yyyy}/{MM}/"'
        )
    if value.startswith("predictions/"):
        raise ValueError("predictions/ is where results are published: a feed there would feed on itself")
    return value


def _file_in_month(value: str) -> str:
    if {"", ".", ".."} & set(value.split("/")) or "\\" in value:
        raise ValueError("write a file name relative to the month's folder: _SUCCESS, lists/files.txt")
    return value


def _like(pattern: str, allowed: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"write {allowed}")
        return value

    return AfterValidator(check)


Duration = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_positive)]
Month = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    _like(r"\d{4}(0[1-9]|1[0-2])", "a month as year and month: 202601"),
]
FeedName = Annotated[str, _like(r"[a-z0-9][a-z0-9-]{0,39}", "1 to 40 small letters, digits and dashes")]
Account = Annotated[
    str, _like(r"[a-z0-9]{3,24}", "a storage account's name: 3 to 24 small letters and digits")
]
Container = Annotated[
    str,
    _like(
        r"(?!tidegate-)[a-z0-9](-?[a-z0-9]){2,62}",
        "a container's name; those of Tidegate (tidegate-...) are its own",
    ),
]
MonthPattern = Annotated[str, AfterValidator(_month_pattern)]
FileInMonth = Annotated[str, AfterValidator(_file_in_month)]
AssetName = Annotated[str, _like(_ASSET_NAME, "a name of Azure ML: letters, digits, _ . -")]
ModelReference = Annotated[
    str, _like(_ASSET_NAME + r"(:[1-9]\d{0,9})?", "a model's name, or name:3 for version 3")
]
DataVersion = Annotated[
    str, _like(rf"{_ASSET_NAME}:{_ASSET_NAME}", "a Data asset's name and version: holdout:4")
]
EndpointName = Annotated[
    str,
    _like(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", "an endpoint's name: 3 to 32 small letters, digits and dashes"),
]
ClockTime = Annotated[str, _like(r"([01]\d|2[0-3]):[0-5]\d", 'a time of day in quotes: "06:00"')]
ActivityPattern = Annotated[
    str,
    _like(r"\*|[a-z]+\.(\*|[a-z_]+)", "the kind of an activity, or with * for all: month.scored, month.*, *"),
]
Filled = Annotated[str, StringConstraints(min_length=1)]
