"""What one request to Azure Storage asks for. Reads it; changes and sends nothing."""

from dataclasses import dataclass, replace
from functools import cached_property
from urllib.parse import parse_qs, unquote

Headers = list[tuple[bytes, bytes]]


def header(headers: Headers, name: str) -> str:
    """The value of a header, "" where it is absent."""
    wanted = name.lower().encode()
    return next((value.decode("latin-1") for key, value in headers if key.lower() == wanted), "")


@dataclass(frozen=True)
class StorageRequest:
    """A request to `<account>.<service>.core.windows.net`; `target` is the raw path and query."""

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
        """Container and blob name, or queue and what is below it; decoded.

        The blob name may contain slashes.
        """
        first, _, rest = self.path.lstrip("/").partition("/")
        return unquote(first), unquote(rest)

    def header(self, name: str) -> str:
        return header(self.headers, name)

    def with_headers(self, changed: dict[str, str]) -> "StorageRequest":
        """The same with these headers replaced or added; an empty value removes one."""
        names = {name.lower().encode() for name in changed}
        kept = [(key, value) for key, value in self.headers if key.lower() not in names]
        added = [(name.encode(), value.encode("latin-1")) for name, value in changed.items() if value]
        return replace(self, headers=kept + added)
