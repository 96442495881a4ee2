"""What a month's files are: the listing, which is the truth."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Listed:
    """A file as a listing shows it; `md5` is base64 where storage knows it, `etag` has no quotes."""

    name: str
    size: int
    md5: str | None
    etag: str
    modified: datetime
