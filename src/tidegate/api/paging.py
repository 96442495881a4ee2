"""The pages of lists: at most `limit` rows, and the address of the next page in the header `Link`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request, Response

from tidegate.api.problems import Responses

DEFAULT_LIMIT, MAX_LIMIT = 500, 1000
_LONGEST_TOKEN = 2000
T = TypeVar("T")

# The answers of a route that returns a list.
PAGED: Responses = {
    200: {
        "headers": {
            "Link": {
                "description": "Address of the next page (RFC 8288, `rel` next). The last page has none.",
                "schema": {"type": "string"},
            }
        }
    }
}


@dataclass(frozen=True)
class Page:
    """The page of a list that a request asks for. It sets the header `Link` of the response."""

    request: Request
    response: Response
    limit: int
    after: str

    def of(self, rows: Iterable[T], key: Callable[[T], str], *, descending: bool = False) -> list[T]:
        """Return the rows of the page, in the order of their keys.

        Each row has another key. Rows that are added or removed in the meantime move no other row to another
        page.
        """
        last = _decode(self.after) if self.after else None
        keyed = sorted(((key(row), row) for row in rows), key=lambda pair: pair[0], reverse=descending)
        if last is not None:
            keyed = [pair for pair in keyed if (pair[0] < last if descending else pair[0] > last)]
        return self._first([row for _, row in keyed[: self.limit + 1]], key)

    def fetched(self, fetch: Callable[[str | None, int], Sequence[T]], key: Callable[[T], str]) -> list[T]:
        """Return the rows of the page from a source that is too long to be read whole.

        `fetch` gets the key of the last row of the page before (None for the first page) and the number of
        rows to read.
        """
        return self._first(fetch(_decode(self.after) if self.after else None, self.limit + 1), key)

    def _first(self, rows: Sequence[T], key: Callable[[T], str]) -> list[T]:
        """Return the page of these rows, of which one more is known if there is a next page."""
        if len(rows) > self.limit:
            after = _encode(key(rows[self.limit - 1]))
            following = self.request.url.include_query_params(limit=self.limit, after=after)
            self.response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
        return list(rows[: self.limit])


def _page(
    request: Request,
    response: Response,
    limit: Annotated[
        int,
        Query(
            ge=1, le=MAX_LIMIT, description="The most rows of a page. The header `Link` has the next page."
        ),
    ] = DEFAULT_LIMIT,
    after: Annotated[
        str,
        Query(
            max_length=_LONGEST_TOKEN,
            pattern="^([0-9a-f]{2})*$",
            description="Where the page begins, in hexadecimal digits: take it from the header `Link` of the "
            "page before. Leave it out for the first page.",
        ),
    ] = "",
) -> Page:
    return Page(request, response, limit, after)


PageInQuery = Annotated[Page, Depends(_page)]


def in_order(rows: Iterable[T]) -> list[tuple[str, T]]:
    """Return rows with keys that keep their order, for a list whose order people have chosen."""
    return [(f"{number:06}", row) for number, row in enumerate(rows)]


def first(pair: tuple[str, Any]) -> str:
    return pair[0]


def _encode(key: str) -> str:
    """Return a token for the last row of a page. Every text of hexadecimal digits is one."""
    return key.encode().hex()


def _decode(token: str) -> str:
    return bytes.fromhex(token).decode(errors="replace")
