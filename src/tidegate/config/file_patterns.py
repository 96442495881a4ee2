"""The patterns of a feed's `only`: which files below a partition's folder belong to the partition."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema
from wcmatch import glob

# `*` does not cross a slash, `**` does. A pattern without a slash is matched with the file's name alone.
_FLAGS = glob.GLOBSTAR | glob.MATCHBASE | glob.DOTGLOB | glob.IGNORECASE | glob.FORCEUNIX
_UNUSABLE = re.compile(r"[{}\\]|^[!/]|/$|//|(?:^|/)\.{1,2}(?:/|$)|\[(?![^/]+\])")
_ALLOWED = (
    'write a pattern such as "*.jpg", or a list such as ["*.jpg", "*.png"], of names relative to the '
    "partition's folder. Allowed are *, ?, [abc] and ** (any folders), without braces and backslashes. "
    "A pattern without a slash fits in every folder"
)


@dataclass(frozen=True)
class FilePatterns:
    """One or more patterns. A file belongs to the partition if its name fits any of them, in any case."""

    texts: tuple[str, ...]

    def match(self, name: str) -> bool:
        """Return whether a name, relative to the partition's folder, fits."""
        return self._regex.match(name) is not None

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        """Join the patterns in one expression, because bursts of events need quick matching."""
        expressions, _ = glob.translate(list(self.texts), flags=_FLAGS)
        return re.compile("|".join(expressions))

    @classmethod
    def parse(cls, value: Any) -> "FilePatterns":
        """Return the patterns of a text or a list. Raise ValueError that says what is allowed."""
        if isinstance(value, FilePatterns):
            return value
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, Sequence) or not texts:
            raise ValueError(_ALLOWED)
        for text in texts:
            if not isinstance(text, str) or not text or _UNUSABLE.search(text):
                raise ValueError(f"{text!r} would match nothing: {_ALLOWED}")
        return cls(tuple(texts))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda patterns: patterns.value),
        )

    @property
    def value(self) -> str | list[str]:
        """Return the patterns as they are written in tidegate.yml."""
        return self.texts[0] if len(self.texts) == 1 else list(self.texts)

    def __str__(self) -> str:
        return " or ".join(self.texts)
