"""The views of a dry run: what a check of a feed or a partition would find and start."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from tidegate.domain.jobs.plan import JobPlan
from tidegate.domain.partitions.left_out import LeftOut, NamedFiles
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.records import PartitionVersion
from tidegate.domain.pauses import Pause
from tidegate.service.manual_actions.dry_run import FeedDryRun, PartitionDryRun


class NextVersionView(BaseModel):
    """The version that would be made."""

    name: str
    files: int
    bytes: int
    manifest_hash: str

    @classmethod
    def of(cls, partition: str, version: PartitionVersion) -> Self:
        figures = version.model_dump(include={"files", "bytes", "manifest_hash"})
        return cls(name=version_name(partition, version.number), **figures)


class NextJobView(BaseModel):
    """The job that would be submitted."""

    name: str
    pipeline: str
    model: str
    compute: str

    @classmethod
    def of(cls, plan: JobPlan) -> Self:
        return cls(
            name=plan.job,
            pipeline=plan.pipeline,
            model=plan.tags["tidegate_model"],
            compute=str(plan.literals["score_compute"]),
        )


class CheckPauseView(BaseModel):
    """A pause of the feed, of the model that scores it, or of everything."""

    target: str
    by: str
    reason: str
    since: datetime

    @classmethod
    def of(cls, pauses: Sequence[Pause]) -> list[Self]:
        return [cls.model_validate(pause.model_dump(include=set(cls.model_fields))) for pause in pauses]


class PartitionCheckView(BaseModel):
    """What a check of a partition would find now, and what it would start. Nothing was changed."""

    partition: str
    state: str = Field(
        description="`complete`: a version would be made. `waiting`: not complete yet. `changed`: people "
        "would be notified. `unchanged`: nothing would happen. `before_start`: the feed ignores it."
    )
    why: str
    until: datetime | None = Field(description="When the partition may be complete without another file.")
    deadline: datetime | None
    files: int = Field(description="The files that match the feed's `only`.")
    version: NextVersionView | None
    job: NextJobView | None
    waits: str | None = Field(description="Why the latest version is not scored now.")
    problem: str | None = Field(description="Why the job cannot start.")
    left_out: LeftOut
    pauses: list[CheckPauseView] = Field(
        default=[], description="The pauses of the feed, its model and everything; for one partition only."
    )

    @classmethod
    def of(cls, run: PartitionDryRun, pauses: Sequence[Pause] = ()) -> Self:
        preview = run.preview
        return cls(
            partition=preview.partition,
            state=preview.state,
            why=preview.why,
            until=preview.until,
            deadline=preview.deadline,
            files=preview.files,
            version=NextVersionView.of(preview.partition, run.version) if run.version else None,
            job=NextJobView.of(run.job) if run.job else None,
            waits=run.waits,
            problem=run.problem,
            left_out=preview.left_out,
            pauses=CheckPauseView.of(pauses),
        )


class FeedCheckView(BaseModel):
    """What checks of all partitions of a feed would find now, newest first. Nothing was changed."""

    feed: str
    jobs: int = Field(description="How many jobs would start.")
    pauses: list[CheckPauseView] = Field(description="The pauses of the feed, its model and everything.")
    partitions: list[PartitionCheckView]
    outside: NamedFiles = Field(description="Files below the feed's path that are in no partition's folder.")

    @classmethod
    def of(cls, feed: str, run: FeedDryRun) -> Self:
        return cls(
            feed=feed,
            pauses=CheckPauseView.of(run.pauses),
            jobs=sum(partition.job is not None for partition in run.partitions),
            partitions=[PartitionCheckView.of(partition) for partition in run.partitions],
            outside=NamedFiles.of(run.outside),
        )
