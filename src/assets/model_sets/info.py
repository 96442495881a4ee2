"""What all members of a set have in common, as it is written to the model's metadata."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from model_sets.errors import SetError

FORMAT = 1
METADATA = "tidegate_set"
PUBLISHED = ("forecast", "member", "status", "error", "file")  # columns of predictions, beside keys and time
COMPARED = ("actual", "candidate", "candidate_error", "champion", "champion_error")  # of an evaluation
FREQUENCIES = ("hour", "day", "week", "month")


@dataclass(frozen=True)
class SetInfo:
    """The columns of a set's tables, and how far its members forecast.

    `keys` are the columns that tell the members apart, `target` the column that is forecast, `time` the
    column with dates or times. `horizon` is a number of steps, and `frequency` says how long a step is.
    `covariates` are numeric columns that are known in advance, such as a price. `prepare` is the SHA-256 of
    the set's file prepare.py, or empty if it has none.
    """

    keys: tuple[str, ...]
    target: str
    time: str
    horizon: int
    frequency: str = "day"
    covariates: tuple[str, ...] = ()
    prepare: str = ""

    def __post_init__(self) -> None:
        columns = [*self.keys, self.target, self.time, *self.covariates]
        folded = [column.casefold() for column in columns]
        doubled = [column for column in columns if folded.count(column.casefold()) > 1]
        own = (*PUBLISHED, *COMPARED)
        clash = [column for column in (*self.keys, self.time) if column.casefold() in own]
        if not self.keys:
            raise SetError("a set needs at least one key column")
        if doubled:
            names = ", ".join(sorted(set(doubled)))
            raise SetError(f"the columns {names} are named twice: upper and lower case make no difference")
        if clash:
            raise SetError(f"column {clash[0]!r} has the name of a column that a set's jobs add; rename it")
        if self.frequency not in FREQUENCIES:
            raise SetError(f"frequency {self.frequency!r} is none of {', '.join(FREQUENCIES)}")
        if self.horizon < 1:
            raise SetError(f"horizon {self.horizon} is less than one step")

    def to_metadata(self) -> dict[str, Any]:
        fields = asdict(self)
        return fields | {"keys": list(self.keys), "covariates": list(self.covariates)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> "SetInfo":
        """Return the part of a model's metadata that all members share. Raise SetError if it does not fit."""
        if metadata.get("format") != FORMAT:
            raise SetError(f"the set has format {metadata.get('format')!r}, and only {FORMAT} can be read")
        try:
            return cls(
                keys=tuple(metadata["keys"]),
                target=metadata["target"],
                time=metadata["time"],
                horizon=int(metadata["horizon"]),
                frequency=metadata["frequency"],
                covariates=tuple(metadata["covariates"]),
                prepare=str(metadata.get("prepare", "")),
            )
        except (KeyError, TypeError) as error:
            raise SetError(f"the metadata of the set does not fit: {error!r}") from error
