"""The reconciliation of scored rows with the manifest: each file must have exactly one row."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from rows import Row

Verdict = Literal["ok", "incomplete", "too_many_errors"]

# GPU kernels add numbers in another order each time, so the scores of a retried mini-batch may differ.
SAME_SCORE = 0.001
# The greatest number of names in a list. The counts always include all names.
SHOWN_NAMES = 1_000
SHOWN_ERRORS = 20
JOINT = ";"  # between the labels of one image (output_kinds.py)
SHOWN_IMAGES = 5


@dataclass(frozen=True)
class Reconciliation:
    """The rows to publish (one for each file, in the manifest's order), and the problems with the rows."""

    rows: Sequence[Row]
    files: int
    missing: Sequence[str]
    doubled: Sequence[str]
    repeated: int
    unlisted: int
    torn: int
    max_error_rate: float

    @property
    def errors(self) -> int:
        return sum(1 for row in self.rows if row.error)

    @property
    def error_rate(self) -> float:
        return self.errors / self.files if self.files else 0.0

    @property
    def verdict(self) -> Verdict:
        if self.missing or self.doubled:
            return "incomplete"
        return "too_many_errors" if self.error_rate > self.max_error_rate else "ok"

    def labels(self) -> dict[str, int]:
        """Return the number of rows with each label, most frequent first."""
        labels = Counter(label for row in self.rows if not row.error for label in _labels(row))
        return dict(labels.most_common(SHOWN_NAMES))

    def metrics(self) -> dict[str, float]:
        counts = {
            "files": self.files,
            "rows": len(self.rows),
            "errors": self.errors,
            "error_rate": self.error_rate,
            "missing": len(self.missing),
            "doubled": len(self.doubled),
            "repeated": self.repeated,
            "unlisted": self.unlisted,
            "torn": self.torn,
        }
        scores = [row.score for row in self.rows if row.score is not None]
        return counts | ({"mean_score": sum(scores) / len(scores)} if scores else {})

    def summary(self) -> dict[str, Any]:
        """Return the outcome for a JSON file of limited size."""
        return self.metrics() | {
            "verdict": self.verdict,
            "max_error_rate": self.max_error_rate,
            "missing_names": list(self.missing[:SHOWN_NAMES]),
            "doubled_names": list(self.doubled[:SHOWN_NAMES]),
            "worst_errors": _most_frequent("error", ((row.error, row.img) for row in self.rows)),
            "notes": _most_frequent("note", ((row.note, row.img) for row in self.rows)),
            "labels": self.labels(),
        }


def reconcile(
    rows: Iterable[Row | None],
    manifest: Sequence[str],
    max_error_rate: float,
    errors: Mapping[str, str] = MappingProxyType({}),
) -> Reconciliation:
    """Match the rows with the files of the manifest.

    Equal rows of a file count once. If the rows of a file differ, the file counts as doubled. `errors` are
    those of the listed files that cannot be read: each has a row with its error, whatever was scored.
    """
    rows_by_name: dict[str, list[Row]] = {
        name: [Row(name, "", None, errors[name])] if name in errors else [] for name in manifest
    }
    repeated = unlisted = torn = 0
    for row in rows:
        if row is None:
            torn += 1
        elif row.img not in rows_by_name:
            unlisted += 1
        elif row.img in errors:
            continue
        elif any(_say_the_same(row, other) for other in rows_by_name[row.img]):
            repeated += 1
        else:
            rows_by_name[row.img].append(row)
    return Reconciliation(
        rows=[candidates[0] for candidates in rows_by_name.values() if candidates],
        files=len(rows_by_name),
        missing=[name for name, candidates in rows_by_name.items() if not candidates],
        doubled=[name for name, candidates in rows_by_name.items() if len(candidates) > 1],
        repeated=repeated,
        unlisted=unlisted,
        torn=torn,
        max_error_rate=max_error_rate,
    )


def _most_frequent(kind: str, texts: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the most frequent texts with their number and the first images, and leave out empty texts."""
    images = defaultdict(list)
    for text, image in texts:
        if text:
            images[text].append(image)
    worst = sorted(images.items(), key=lambda item: (-len(item[1]), item[0]))[:SHOWN_ERRORS]
    return [{kind: text, "count": len(all_), "images": all_[:SHOWN_IMAGES]} for text, all_ in worst]


def _labels(row: Row) -> list[str]:
    """Return the labels of an image: several, if a model of several labels gave each a probability."""
    several = dict(row.more).get("labels")
    if isinstance(several, dict) and row.label == JOINT.join(several):
        return list(several)
    return [row.label] if row.label else []


def _say_the_same(row: Row, other: Row) -> bool:
    if (row.label, row.error) != (other.label, other.error) or not _are_the_same(row.more, other.more):
        return False
    return _are_the_same(row.score, other.score)


def _are_the_same(value: Any, other: Any) -> bool:
    """Compare two values, and the numbers in them with the tolerance of scores."""
    if isinstance(value, float) and isinstance(other, float):
        return abs(value - other) <= SAME_SCORE
    if isinstance(value, list | tuple) and isinstance(other, list | tuple):
        return len(value) == len(other) and all(map(_are_the_same, value, other))
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(_are_the_same(value[key], other[key]) for key in value)
    return bool(value == other)
