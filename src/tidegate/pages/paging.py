"""The pages of a list: some rows, and where the next page begins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

ROWS_OF_PAGE = 50
T = TypeVar("T")


@dataclass(frozen=True)
class ListPage(Generic[T]):
    """A page of a list. `following` is the key after which the next page begins, or None."""

    rows: Sequence[T]
    following: str | None = None
    first: bool = True


def page_of(
    rows: Sequence[T], after: str, limit: int = ROWS_OF_PAGE, *, key: Callable[[T], str]
) -> ListPage[T]:
    """Return the rows that follow the row with the key `after`, in their order.

    If that row is gone, the page begins at the first row.
    """
    keys = [key(row) for row in rows]
    start = keys.index(after) + 1 if after in keys else 0
    shown = rows[start : start + limit]
    more = start + limit < len(rows)
    return ListPage(shown, key(shown[-1]) if more else None, first=start == 0)
