"""The files of a partition that are left out, counted and named: people must never miss them by surprise."""

from collections.abc import Iterator, Sequence
from typing import Self

from pydantic import BaseModel, Field

_NAMES_KEPT = 10
_NAMES_IN_A_TEXT = 5


class NamedFiles(BaseModel):
    """A number of files, with the names of the first ones."""

    count: int = 0
    names: list[str] = Field(default=[], description=f"The first {_NAMES_KEPT}.")

    @classmethod
    def of(cls, names: Sequence[str]) -> Self:
        return cls(count=len(names), names=list(names[:_NAMES_KEPT]))

    def sentence(self, one: str, many: str) -> str:
        """Return a sentence with the count and the first names: "3 files do not match: a.png, b.png ..."."""
        names = ", ".join(self.names[:_NAMES_IN_A_TEXT])
        more = " ..." if self.count > _NAMES_IN_A_TEXT else ""
        return f"1 {one}: {names}." if self.count == 1 else f"{self.count} {many}: {names}{more}."


class LeftOut(BaseModel):
    """The files that are not part of a version, by reason, and the listed names without a file."""

    only: str = Field(default="", description="The patterns of the feed's `only` at that time.")
    not_matching: NamedFiles = Field(
        default=NamedFiles(), description="Files that do not match the feed's `only`."
    )
    not_listed: NamedFiles = Field(
        default=NamedFiles(), description="Files that the list file does not name."
    )
    missing: NamedFiles = Field(
        default=NamedFiles(), description="Files that a list file names, and that have not arrived."
    )

    @property
    def files(self) -> int:
        """Return how many files are there and left out."""
        return self.not_matching.count + self.not_listed.count

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each reason that has files."""
        if self.not_matching.count:
            only = f"`{self.only}`"
            yield self.not_matching.sentence(f"file does not match {only}", f"files do not match {only}")
        if self.not_listed.count:
            yield self.not_listed.sentence("file is not in the list", "files are not in the list")
        if self.missing.count:
            yield self.missing.sentence("listed name has no file", "listed names have no file")
