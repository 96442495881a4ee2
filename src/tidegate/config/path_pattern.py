"""The path of a feed: where the files of each partition are, and which partition a file belongs to."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from tidegate.messages.partition_id import Period

_KEY = r"(?:[A-Za-z_][A-Za-z0-9_]*=)?"  # Hive writes folders as year=2026/month=11/
_SHAPE = re.compile(
    rf"(?:[^{{}}\\*?\[\]]*/)?{_KEY}\{{yyyy\}}(?:[_.-]?|/{_KEY})\{{MM\}}(?:(?:[_.-]?|/{_KEY})\{{dd\}})?/"
)
_DIGITS = {
    r"\{yyyy\}": "(?P<year>[0-9]{4})",
    r"\{MM\}": "(?P<month>[0-9]{2})",
    r"\{dd\}": "(?P<day>[0-9]{2})",
}


@dataclass(frozen=True)
class PathPattern:
    """The folder of each partition in a container: `{yyyy}{MM}/`, `in/year={yyyy}/month={MM}/day={dd}/`."""

    text: str

    @property
    def period(self) -> Period:
        """Return the length of one partition: a day if the pattern contains `{dd}`, otherwise a month."""
        return "day" if "{dd}" in self.text else "month"

    @property
    def common_prefix(self) -> str:
        """Return what the folders of all partitions begin with: `in/year=`."""
        return self.text.partition("{")[0]

    @property
    def depth(self) -> int:
        """Return how many levels of folders a partition's folder is below the common prefix."""
        return self.text.removeprefix(self.common_prefix).count("/")

    def folder(self, partition: str) -> str:
        """Return the folder of a partition, with a slash at the end: `2026/11/` for `202611`."""
        return (
            self.text.replace("{yyyy}", partition[:4])
            .replace("{MM}", partition[4:6])
            .replace("{dd}", partition[6:])
        )

    def split(self, path: str) -> tuple[str, str] | None:
        """Return the partition's digits and the file's name in its folder, or None for a path outside.

        The digits may name no month or day of the calendar: `202613`.
        """
        match = self._regex.fullmatch(path)
        return ("".join(match.groups()[:-1]), match["file"]) if match else None

    def leads_to_partitions(self, folder: str) -> bool:
        """Return whether the folders of partitions may lie deeper in this folder: `in/2026/`."""
        parts, depth = self.text.split("/"), folder.count("/")
        parent = "/".join(parts[:depth]) + "/"
        return depth < len(parts) - 1 and re.fullmatch(_expression(parent), folder) is not None

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile(f"{_expression(self.text)}(?P<file>.*)", re.DOTALL)

    @classmethod
    def parse(cls, value: Any) -> "PathPattern":
        """Return the pattern that a text describes. Raise ValueError that says what is allowed."""
        if isinstance(value, PathPattern):
            return value
        shape = _SHAPE.fullmatch(value) if isinstance(value, str) else None
        if not shape or value.startswith("/") or {"", ".", ".."} & set(value.removesuffix("/").split("/")):
            raise ValueError(
                "write a folder with {yyyy}, {MM} and, if the feed is daily, {dd}, in this order and with a "
                'final slash, such as "{yyyy}{MM}/", "in/{yyyy}-{MM}-{dd}/" or "year={yyyy}/month={MM}/". '
                "Wildcards are not allowed: files in all folders below it count"
            )
        if value.startswith("predictions/"):
            raise ValueError(
                "choose another folder: predictions/ is reserved for the results that Tidegate publishes"
            )
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda pattern: pattern.text),
        )

    def __str__(self) -> str:
        return self.text


def _expression(pattern: str) -> str:
    """Return the regular expression that a pattern, or the beginning of one, stands for."""
    expression = re.escape(pattern)
    for name, digits in _DIGITS.items():
        expression = expression.replace(name, digits)
    return expression
