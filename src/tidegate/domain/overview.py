"""What a person sees first: what needs a person now, the newest partitions, the models, and what runs."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tidegate.config.model_policy import Policy
from tidegate.domain.activities.newest import NewestActivity
from tidegate.domain.delays import Delay
from tidegate.domain.jobs.records import Job
from tidegate.domain.lifecycle.records import Model, ModelVersion
from tidegate.domain.partitions.standing import PartitionStanding


class Need(StrEnum):
    """A kind of thing that waits for a person, in the order in which people should look."""

    APPROVAL = "approvals"
    STUCK = "stuck"
    FAILED = "failed"
    LATE = "late"
    FAILURE = "failures"
    UNDELIVERED = "undelivered"
    PAUSED = "paused"


@dataclass(frozen=True)
class NeedItem:
    """One thing that waits for a person. `url` is the path of its page below /api."""

    need: Need
    what: str
    text: str
    since: datetime | None
    url: str


@dataclass(frozen=True)
class FeedRow:
    """A feed with its newest partitions, oldest first."""

    name: str
    model: str
    cells: tuple[PartitionStanding, ...]


@dataclass(frozen=True)
class ModelRow:
    """A model with the open versions of it, oldest first."""

    record: Model
    policy: Policy | None
    open: tuple[ModelVersion, ...]

    @property
    def challenger(self) -> ModelVersion | None:
        return next((version for version in self.open if version.version == self.record.rolling), None)

    @property
    def newest(self) -> ModelVersion | None:
        return self.open[-1] if self.open else None

    @property
    def traffic(self) -> int | None:
        """Return the share of the traffic that the challenger has, in percent, or None without a rollout."""
        rollout = self.challenger.rollout if self.challenger else None
        return rollout.steps[-1].percent if rollout and rollout.steps else None


@dataclass(frozen=True)
class Status:
    """What waits for a person, runs and is retried at one time."""

    needs: tuple[NeedItem, ...]
    jobs: tuple[Job, ...]
    delays: tuple[Delay, ...]
    at: datetime

    def of(self, need: Need) -> list[NeedItem]:
        return [item for item in self.needs if item.need is need]


@dataclass(frozen=True)
class Overview:
    """The state of an installation, as the first screen shows it."""

    status: Status
    feeds: tuple[FeedRow, ...]
    models: tuple[ModelRow, ...]
    activities: tuple[NewestActivity, ...]
