"""A request to Azure Storage, parsed."""

from dataclasses import dataclass, replace
from functools import cached_property
from urllib.parse import parse_qs, unquote

Headers = list[tuple[bytes, bytes]]


def header(headers: Headers, name: str) -> str:
    """Return the value of a header, or "" if it is absent."""
    lower_name = name.lower().encode()
    return next((value.decode("latin-1") for key, value in headers if key.lower() == lower_name), "")


@dataclass(frozen=True)
class StorageRequest:
    """A request to `<account>.<service>.core.windows.net`. `target` is the raw path and query."""

    account: str
    service: str
    method: str
    target: bytes
    headers: Headers

    @cached_property
    def path(self) -> str:
        """The raw path, still percent-encoded."""
        return self.target.partition(b"?")[0].decode("latin-1")

    @cached_property
    def query(self) -> dict[str, str]:
        raw = self.target.partition(b"?")[2].decode("latin-1")
        return {name.lower(): values[-1] for name, values in parse_qs(raw, keep_blank_values=True).items()}

    @cached_property
    def segments(self) -> tuple[str, str]:
        """The decoded container and blob name, or queue and the path below it.

        The blob name may contain slashes.
        """
        first, _, rest = self.path.lstrip("/").partition("/")
        return unquote(first), unquote(rest)

    def header(self, name: str) -> str:
        return header(self.headers, name)

    def with_headers(self, changed: dict[str, str]) -> "StorageRequest":
        """Return a copy with headers replaced or added. An empty value removes the header."""
        names = {name.lower().encode() for name in changed}
        kept = [(key, value) for key, value in self.headers if key.lower() not in names]
        added = [(name.encode(), value.encode("latin-1")) for name, value in changed.items() if value]
        return replace(self, headers=kept + added)
