"""The reconciliation of a scored set: each row of each file once, each key with a forecast or a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["ok", "incomplete", "too_many_errors"]

STATUSES = ("ok", "fallback", "no_member", "failed")
FORECASTS = ("ok", "fallback")  # the statuses of rows that have one
# The greatest number of names in a list. The counts always include all names.
SHOWN_NAMES = 1_000
SHOWN_ERRORS = 20


@dataclass(frozen=True)
class FileRows:
    """A file of the manifest: the rows that were read from it, and those that were published.

    `error` says why the file could not be read.
    """

    name: str
    read: int
    published: int
    error: str = ""


@dataclass(frozen=True)
class KeyWithoutForecast:
    """A key without any forecast, as people read it, and the reason."""

    key: str
    reason: str


@dataclass(frozen=True)
class SetReconciliation:
    """What a scoring of a set published. `statuses` has the number of rows with each status.

    `keys` are those of the index and of the data together. `reasons` are the most frequent reasons of rows
    without a forecast, each with the number of rows and the first keys.
    """

    files: Sequence[FileRows]
    statuses: Mapping[str, int]
    keys: int
    without_forecast: Sequence[KeyWithoutForecast]
    reasons: Sequence[tuple[str, int, Sequence[str]]]
    max_error_rate: float

    @property
    def rows(self) -> int:
        return sum(self.statuses.values())

    @property
    def errors(self) -> int:
        """Return the number of rows without a forecast."""
        return sum(count for status, count in self.statuses.items() if status not in FORECASTS)

    @property
    def missing(self) -> list[str]:
        return [file.name for file in self.files if file.published < file.read]

    @property
    def doubled(self) -> list[str]:
        return [file.name for file in self.files if file.published > file.read]

    @property
    def error_rate(self) -> float:
        """Return the greatest of three shares: files, rows and keys without a forecast."""
        broken = sum(bool(file.error) for file in self.files)
        shares = (
            (broken, len(self.files)),
            (self.errors, self.rows),
            (len(self.without_forecast), self.keys),
        )
        return max(count / total if total else 0.0 for count, total in shares)

    @property
    def verdict(self) -> Verdict:
        if self.missing or self.doubled:
            return "incomplete"
        return "too_many_errors" if self.error_rate > self.max_error_rate else "ok"

    def metrics(self) -> dict[str, float]:
        return {
            "files": len(self.files),
            "rows": self.rows,
            "errors": self.errors,
            "error_rate": self.error_rate,
            "missing": len(self.missing),
            "doubled": len(self.doubled),
            "keys": self.keys,
            "keys_with_forecast": self.keys - len(self.without_forecast),
            "keys_without_forecast": len(self.without_forecast),
            **{f"rows_{status}": self.statuses.get(status, 0) for status in STATUSES},
        }

    def summary(self) -> dict[str, Any]:
        """Return the outcome for a JSON file of limited size, with the fields that all pipelines have."""
        of_files = [
            {"error": file.error, "count": 1, "images": [file.name]} for file in self.files if file.error
        ]
        of_rows = [
            {"error": reason, "count": count, "images": list(keys)} for reason, count, keys in self.reasons
        ]
        return self.metrics() | {
            "verdict": self.verdict,
            "max_error_rate": self.max_error_rate,
            "missing_names": self.missing[:SHOWN_NAMES],
            "doubled_names": self.doubled[:SHOWN_NAMES],
            "worst_errors": [*of_files, *of_rows][:SHOWN_ERRORS],
            "notes": [],
            "labels": {status: self.statuses.get(status, 0) for status in STATUSES},
            "keys_without_names": [
                {"key": key.key, "reason": key.reason} for key in self.without_forecast[:SHOWN_NAMES]
            ],
        }
