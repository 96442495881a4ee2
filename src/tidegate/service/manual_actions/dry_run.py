"""A dry run of a feed: list its real files, and say what the service would do. Nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.config.schema import Feed
from tidegate.domain.jobs.plan import JobPlan, model_problem, plan_scoring
from tidegate.domain.partitions.calendar import deadline_of, expected_months, prefix_of
from tidegate.domain.partitions.completeness import PartitionListing
from tidegate.domain.partitions.manifest import ListedBlob
from tidegate.domain.partitions.preview import (
    PartitionPreview,
    PreviewState,
    common_prefix,
    preview_partition,
    sort_by_partition,
)
from tidegate.domain.partitions.records import Claim, Generation, Month, MonthVersion, ScoringState
from tidegate.errors import NotFoundError, PermanentError
from tidegate.service.context import ServiceContext
from tidegate.service.steps.generation_claims import GenerationClaims, ScoringRequest
from tidegate.service.steps.partition_versions import PartitionVersions


@dataclass(frozen=True)
class PartitionDryRun:
    """What a check of one partition would find and start. `problem` says why its job cannot start."""

    preview: PartitionPreview
    job: JobPlan | None = None
    problem: str | None = None


@dataclass(frozen=True)
class FeedDryRun:
    """What checks of all partitions would find and start, newest partition first.

    `outside` are the files below the feed's path that are in the folder of no partition.
    """

    partitions: tuple[PartitionDryRun, ...]
    outside: tuple[str, ...]


@dataclass(frozen=True)
class _ScoringSetup:
    """The model version and the pipeline of all jobs of a feed, or the reason why there are none."""

    model: str = ""
    outputs: frozenset[str] = frozenset()
    problem: str | None = None


@dataclass(frozen=True)
class DryRunService:
    """CheckMonth and ScoreMonth make the same decisions. A dry run only reads from Azure."""

    context: ServiceContext
    claims: GenerationClaims
    versions: PartitionVersions

    def feed(self, name: str) -> FeedDryRun:
        """Return what the service would do with all partitions: expected ones, and those that have files."""
        feed = self.context.feed(name)
        contents = sort_by_partition(feed, self.versions.list_blobs(feed, common_prefix(feed)))
        records = {record.month: record for record in self.context.ledger.months(name)}
        expected = expected_months(feed.starts, self.context.now(), self.context.config().timezone)
        partitions = sorted({*contents.partitions, *records, *expected}, reverse=True)
        runs, setup = [], self._setup(feed)
        for partition in partitions:
            blobs = contents.partitions.get(partition, ())
            listing = self.versions.sort_files(feed, prefix_of(feed.path, partition), blobs)
            record = records.get(partition) or Month(feed=name, month=partition)
            runs.append(self._partition(feed, record, listing, setup))
        return FeedDryRun(tuple(runs), self._outside_of_all(feed, contents.outside))

    def _outside_of_all(self, feed: Feed, outside: Sequence[ListedBlob]) -> tuple[str, ...]:
        """Return the names of files that are in no partition of any feed of the container."""
        for other in self.context.config().feeds.values():
            if other.storage == feed.storage:
                outside = sort_by_partition(other, outside).outside
        return tuple(file.name for file in outside)

    def partition(self, name: str, partition: str) -> PartitionDryRun:
        """Return what the service would do with one partition."""
        feed = self.context.feed(name)
        record, listing = (
            self.context.ledger.month(name, partition),
            self.versions.list_files(feed, partition),
        )
        return self._partition(feed, record, listing, self._setup(feed))

    def _partition(
        self, feed: Feed, record: Month, listing: PartitionListing, setup: _ScoringSetup
    ) -> PartitionDryRun:
        now, timezone = self.context.now(), self.context.config().timezone
        deadline = deadline_of(feed.deadline, record.month, timezone) if feed.deadline else None
        preview = preview_partition(feed, record, listing, now, deadline)
        if preview.state is PreviewState.BEFORE_START:
            return PartitionDryRun(preview)
        after = record.model_copy(deep=True)
        after.versions += [preview.version] if preview.version else []
        version = after.latest
        if version is None or _is_scored(version):
            return PartitionDryRun(preview)
        if setup.problem:
            return PartitionDryRun(preview, problem=setup.problem)
        generation = self._generation(feed, after, version, setup.model)
        plan = plan_scoring(feed, Claim(after, version, generation))
        return PartitionDryRun(preview, plan.for_pipeline(setup.outputs))

    def _generation(self, feed: Feed, record: Month, version: MonthVersion, model: str) -> Generation:
        """Return the generation whose job is submitted next: the claimed one, or else a new one."""
        if version.generations:
            return version.generations[-1]
        request = ScoringRequest(feed=record.feed, month=record.month, model=model, reason=version.reason)
        return self.claims.next_generation(feed, version, request)

    def _setup(self, feed: Feed) -> _ScoringSetup:
        """Read the model version and the pipeline that a job would have now."""
        workspace = self.context.workspace_of(feed)
        name, _, pinned = feed.score.model.partition(":")
        try:
            version = pinned or self.claims.model_version(feed, name)
            problem = model_problem(workspace.assets.mlmodel(name, version))
            outputs = workspace.assets.newest_pipeline(feed.score.pipeline).outputs
        except (NotFoundError, PermanentError) as error:
            return _ScoringSetup(problem=str(error))
        model = f"{name}:{version}"
        return _ScoringSetup(model, outputs, f"{model} cannot score images: {problem}" if problem else None)


def _is_scored(version: MonthVersion) -> bool:
    """Return whether the latest generation needs no new job."""
    return bool(version.generations) and version.generations[-1].state is not ScoringState.CLAIMED
