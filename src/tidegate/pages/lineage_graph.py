"""The lineage of a model version as boxes and arrows, for a picture that the server draws as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from unicodedata import east_asian_width

from tidegate.domain.activities.links import job_url, page_url, partition_url, version_url
from tidegate.domain.jobs.records import Job
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.partitions.records import Partition

WIDTH, HEIGHT = 136, 64
_GAP_X, _GAP_Y = 26, 12
_LETTERS = 16  # of a line; a Japanese letter takes the room of two
_LINES = 2
_MOST_ROWS = 6


@dataclass(frozen=True)
class Box:
    """A step of the lineage: what it is, its name, and the path of its page if it has one."""

    kind: str
    name: str
    href: str | None = None

    @property
    def lines(self) -> list[str]:
        """The name in lines that fit into the box. What does not fit is left out."""
        lines, rest = list[str](), self.name
        while rest and len(lines) < _LINES:
            fits = _fitting(rest)
            lines.append(rest[:fits])
            rest = rest[fits:]
        return [*lines[:-1], f"{lines[-1][:-1]}…"] if rest else lines


@dataclass(frozen=True)
class PlacedBox:
    """A box with the position of its upper left corner, in pixels."""

    box: Box
    x: int
    y: int


@dataclass(frozen=True)
class LineageGraph:
    """Columns of boxes. What is in a column led to what is in the next one."""

    columns: Sequence[Sequence[Box]] = field(default_factory=tuple)

    box_width, box_height = WIDTH, HEIGHT

    @property
    def width(self) -> int:
        return len(self.columns) * (WIDTH + _GAP_X) - _GAP_X

    @property
    def height(self) -> int:
        return max(map(len, self.columns)) * (HEIGHT + _GAP_Y) - _GAP_Y

    @property
    def boxes(self) -> list[PlacedBox]:
        return [placed for column in self._placed() for placed in column]

    @property
    def arrows(self) -> list[str]:
        """The path of each arrow, from the right side of a box to the left side of the next."""
        placed = self._placed()
        return [
            _arrow(source, target)
            for sources, targets in pairwise(placed)
            for source in sources
            for target in targets
        ]

    def _placed(self) -> list[list[PlacedBox]]:
        """Return the boxes of each column, in the middle of the height."""
        placed = []
        for number, column in enumerate(self.columns):
            top = (self.height - len(column) * (HEIGHT + _GAP_Y) + _GAP_Y) // 2
            x = number * (WIDTH + _GAP_X)
            placed.append(
                [PlacedBox(box, x, top + row * (HEIGHT + _GAP_Y)) for row, box in enumerate(column)]
            )
        return placed


def lineage_graph(record: ModelVersion, evaluation: Job | None, scored: Sequence[Partition]) -> LineageGraph:
    """Return the graph from the training data to the partitions that the version scored."""
    promotion, rollout, approval = record.promotion, record.rollout, record.approval
    after = [
        *([Box("Rollout", f"{rollout.endpoint}: {rollout.phase}")] if rollout else []),
        *(
            Box("Scored", f"{row.feed} {row.partition}", page_url(partition_url(row.feed, row.partition)))
            for row in scored
        ),
    ]
    columns = [
        _data(record),
        _training(record),
        [Box("Version", f"{record.model}:{record.version}")],
        [_verdict(record, evaluation)],
        [Box("Approved" if approval.approved else "Refused", f"by {approval.by}")] if approval else [],
        [Box("Production", promotion.production_version or "being copied")] if promotion else [],
        _some(after),
    ]
    return LineageGraph([column for column in columns if column])


def _data(record: ModelVersion) -> list[Box]:
    data = record.source.data
    names = list(data.values()) if isinstance(data, dict) else [data]
    return _some([Box("Training data", name) for name in names if name]) or [Box("Training data", "unknown")]


def _training(record: ModelVersion) -> list[Box]:
    if record.assembled_from:
        of = page_url(version_url(record.model, record.assembled_from))
        return [Box("Winners of", f"{record.model}:{record.assembled_from}", of)]
    run = record.source.run
    return [Box("Training", run or "unknown")]


def _verdict(record: ModelVersion, evaluation: Job | None) -> Box:
    href = page_url(job_url(evaluation.workspace, evaluation.name)) if evaluation else None
    if record.verdict is None:
        return Box("Verdict", "none yet", href)
    word = "passed" if record.verdict.passed else "did not pass"
    return Box("Verdict", f"{word} on {record.verdict.data}", href)


def _some(boxes: Sequence[Box]) -> list[Box]:
    """Return the boxes that fit into a column, with the number of the others in the last one."""
    if len(boxes) <= _MOST_ROWS:
        return list(boxes)
    more = len(boxes) - _MOST_ROWS + 1
    return [*boxes[: _MOST_ROWS - 1], Box(boxes[-1].kind, f"and {more} more")]


def _fitting(text: str) -> int:
    """Return how many letters of a text fit into a line, to its last blank if there is one."""
    room = _LETTERS
    for position, letter in enumerate(text):
        room -= 2 if east_asian_width(letter) in "WF" else 1
        if room < 0:
            blank = text.rfind(" ", 0, position)
            return blank + 1 if blank > 0 else position
    return len(text)


def _arrow(source: PlacedBox, target: PlacedBox) -> str:
    x, y, to_x, to_y = source.x + WIDTH, source.y + HEIGHT // 2, target.x - 5, target.y + HEIGHT // 2
    middle = (x + to_x) // 2
    return f"M{x},{y} C{middle},{y} {middle},{to_y} {to_x},{to_y}"
