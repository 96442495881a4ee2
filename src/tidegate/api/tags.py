"""The filter `tag=key=value` of lists. If it is repeated, all the tags must be there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query
from pydantic import StringConstraints

_Tag = Annotated[str, StringConstraints(pattern="^[^=]+=", max_length=1200)]


@dataclass(frozen=True)
class TagFilter:
    """The tags that rows must have. Without any, all rows match."""

    tags: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.tags)

    def matches(self, tags: Mapping[str, str]) -> bool:
        """Return whether all the tags are among these."""
        return self.tags.items() <= tags.items()


def _tag_filter(
    tag: Annotated[
        list[_Tag] | None,
        Query(max_length=20, description="Only what has this tag, as `key=value`. Repeated: all of them."),
    ] = None,
) -> TagFilter:
    return TagFilter(dict(text.split("=", 1) for text in tag or []))


TagsInQuery = Annotated[TagFilter, Depends(_tag_filter)]
