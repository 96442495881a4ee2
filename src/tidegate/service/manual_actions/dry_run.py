"""A dry run of a feed: list its real files, and say what the service would do. Nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tidegate.config.schema import Feed
from tidegate.domain.jobs.plan import JobPlan, plan_scoring
from tidegate.domain.partitions.calendar import deadline_of, expected_partitions
from tidegate.domain.partitions.catch_up import (
    BEFORE_INSTALLATION,
    FeedRecord,
    decide_turns,
    is_held_back,
    starts_by_itself,
    turn_of,
    was_due_before,
    was_there_before,
)
from tidegate.domain.partitions.completeness import NewVersion, next_version
from tidegate.domain.partitions.listing import PartitionListing
from tidegate.domain.partitions.looks import with_arrivals
from tidegate.domain.partitions.manifest import ListedBlob
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.preview import (
    PartitionPreview,
    PreviewState,
    preview_partition,
    sort_by_partition,
)
from tidegate.domain.partitions.records import Claim, Generation, Partition, PartitionVersion, ScoringState
from tidegate.domain.pauses import EVERYTHING, Pause, feed_target, model_target
from tidegate.errors import NotFoundError, PermanentError
from tidegate.service.context import ServiceContext
from tidegate.service.steps.champion_checks import ChampionChecks
from tidegate.service.steps.generation_claims import GenerationClaims, ScoringRequest
from tidegate.service.steps.model_fit import find_model_problem, find_pipeline
from tidegate.service.steps.version_registration import VersionRegistration


@dataclass(frozen=True)
class PartitionDryRun:
    """What a check of one partition would find and start.

    `version` is the version that it would make. `waits` says why the latest version is not scored now, and
    `problem` why its job cannot start. `held_by` is the target of the pause that holds its job.
    """

    preview: PartitionPreview
    version: PartitionVersion | None = None
    job: JobPlan | None = None
    waits: str | None = None
    problem: str | None = None
    held_by: str | None = None

    @property
    def held_back(self) -> bool:
        """Return whether the partition is not scored because it was there before the installation."""
        return self.waits == BEFORE_INSTALLATION


@dataclass(frozen=True)
class FeedDryRun:
    """What checks of all partitions would find and start, newest partition first.

    `outside` are the files below the feed's path that are in the folder of no partition. `pauses` are those
    of the feed, of its model and of everything.
    """

    partitions: tuple[PartitionDryRun, ...]
    outside: tuple[str, ...]
    pauses: tuple[Pause, ...] = ()

    @property
    def starts(self) -> str:
        """Return how many jobs start now, how many follow, and how many partitions are not scored."""
        runs = self.partitions
        now, old = sum(run.job is not None for run in runs), sum(run.held_back for run in runs)
        held = [run.held_by for run in runs if run.held_by]
        later = sum(run.waits is not None for run in runs) - old - len(held)
        parts = [f"{now} jobs start now"]
        parts += [f"{later} follow when others have ended"] if later else []
        parts += [f"{len(held)} start when {held[0]} is resumed"] if held else []
        parts += [f"{old} partitions are {BEFORE_INSTALLATION}"] if old else []
        problems = dict.fromkeys(run.problem for run in runs if run.problem)
        return "; ".join([*parts, *(f"complete partitions wait: {problem}" for problem in problems)])


@dataclass(frozen=True)
class _ScoringSetup:
    """The model version and the pipeline of all jobs of a feed, or the reason why there are none."""

    model: str = ""
    inputs: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    problem: str | None = None


@dataclass(frozen=True)
class _After:
    """A partition's record as it is after a check, with the version that the check would add."""

    record: Partition
    preview: PartitionPreview | None = None
    version: PartitionVersion | None = None


@dataclass(frozen=True)
class DryRunService:
    """CheckPartition and ScorePartition make the same decisions. A dry run only reads from Azure."""

    context: ServiceContext
    claims: GenerationClaims
    versions: VersionRegistration
    checks: ChampionChecks

    def feed(self, name: str) -> FeedDryRun:
        """Return what the service would do with all partitions: expected ones, and those that have files."""
        feed = self.context.feed(name)
        contents = sort_by_partition(feed, self.versions.list_blobs(feed, feed.path.common_prefix))
        records = {record.partition: record for record in self.context.ledger.partitions(name)}
        expected = expected_partitions(feed.starts, self.context.now(), self.context.config().timezone)
        partitions = sorted({*contents.partitions, *records, *expected}, reverse=True)
        previews, installed = [], self.versions.feeds.preview(name)
        for partition in partitions:
            blobs = contents.partitions.get(partition, ())
            listing = self.versions.sort_files(feed, feed.path.folder(partition), blobs)
            record = records.get(partition) or Partition(feed=name, partition=partition)
            listing = self.versions.looks.compare(feed, record, listing)
            previews.append(self._preview(feed, record, listing, installed))
        pauses = self.pauses(name)
        runs = self._runs(feed, installed, previews, pauses)
        return FeedDryRun(runs, self._outside_of_all(feed, contents.outside), pauses)

    def pauses(self, name: str) -> tuple[Pause, ...]:
        """Return the pauses of the feed, of the model that scores it, and of everything."""
        model = self.context.feed(name).score.model.partition(":")[0]
        targets = {feed_target(name), model_target(model), EVERYTHING}
        return tuple(pause for pause in self.context.ledger.pauses() if pause.target in targets)

    def _outside_of_all(self, feed: Feed, outside: Sequence[ListedBlob]) -> tuple[str, ...]:
        """Return the names of files that are in no partition of any feed of the container."""
        for other in self.context.config().feeds.values():
            if other.storage == feed.storage:
                outside = sort_by_partition(other, outside).outside
        return tuple(file.name for file in outside)

    def partition(self, name: str, partition: str) -> PartitionDryRun:
        """Return what the service would do with one partition."""
        feed, records = self.context.feed(name), self.context.ledger.partitions(name)
        record = self.context.ledger.partition(name, partition)
        installed = self.versions.feeds.preview(name)
        preview = self._preview(feed, record, self.versions.compared_files(feed, record), installed)
        others = [_After(other) for other in records if other.partition != partition]
        return self._runs(feed, installed, [preview, *others], self.pauses(name))[0]

    def _preview(
        self, feed: Feed, record: Partition, listing: PartitionListing, installed: FeedRecord
    ) -> _After:
        now, timezone = self.context.now(), self.context.config().timezone
        deadline = deadline_of(feed.deadline, record.partition, timezone) if feed.deadline else None
        after = record.model_copy(deep=True)
        after.deadline_announced |= was_due_before(installed, record, deadline)
        preview = preview_partition(feed, after, with_arrivals(record, listing, now), now, deadline)
        if not isinstance(preview.decision, NewVersion):
            return _After(record, preview)
        old = was_there_before(installed, record, preview.decision.files)
        version = next_version(record, preview.decision, now, before_installation=old)
        after.versions.append(version.model_copy(update={"registered": True}))
        return _After(after, preview, version)

    def _runs(
        self, feed: Feed, installed: FeedRecord, partitions: Sequence[_After], pauses: Sequence[Pause]
    ) -> tuple[PartitionDryRun, ...]:
        """Return what would start, of each partition with a preview.

        A pause of the model alone holds no scoring: the champion stays in use.
        """
        setup = self._setup(feed)
        turns = decide_turns(feed, installed.turns, [partition.record for partition in partitions])
        runs = (self._run(feed, partition, setup, turns) for partition in partitions if partition.preview)
        holding = [pause.target for pause in pauses if pause.target.partition(":")[0] in ("feed", EVERYTHING)]
        return tuple(_held(run, holding[0]) if holding and run.job else run for run in runs)

    def _run(self, feed: Feed, after: _After, setup: _ScoringSetup, turns: Sequence[str]) -> PartitionDryRun:
        preview, record, latest = after.preview, after.record, after.record.latest
        assert preview is not None
        waits = _why_it_waits(feed, record, turns)
        if latest is None or waits or preview.state is PreviewState.BEFORE_START or _is_scored(latest):
            return PartitionDryRun(preview, after.version, waits=waits)
        if setup.problem:
            return PartitionDryRun(preview, after.version, problem=setup.problem)
        generation = self._generation(feed, record, latest, setup.model)
        plan = plan_scoring(feed, Claim(record, latest, generation))
        return PartitionDryRun(preview, after.version, plan.for_pipeline(setup.inputs, setup.outputs))

    def _generation(self, feed: Feed, record: Partition, version: PartitionVersion, model: str) -> Generation:
        """Return the generation whose job is submitted next: the claimed one, or else a new one."""
        if version.generations:
            return version.generations[-1]
        request = ScoringRequest(
            feed=record.feed, partition=record.partition, model=model, reason=version.reason
        )
        return self.claims.next_generation(feed, version, request)

    def _setup(self, feed: Feed) -> _ScoringSetup:
        """Read the model version and the pipeline that a job would have now."""
        workspace = self.context.workspace_of(feed)
        name, _, pinned = feed.score.model.partition(":")
        try:
            version = pinned or self.claims.model_version(feed, name)
            pipeline = find_pipeline(workspace.assets, feed.score.pipeline_name)
            problem = find_model_problem(workspace.assets, pipeline, name, version)
        except (NotFoundError, PermanentError) as error:
            return _ScoringSetup(problem=str(error))
        problem = problem or self.checks.obstacle(feed, pipeline.decoder)
        return _ScoringSetup(f"{name}:{version}", pipeline.inputs, pipeline.outputs, problem)


def _held(run: PartitionDryRun, target: str) -> PartitionDryRun:
    """Return the dry run of a partition whose job waits for the end of a pause."""
    return replace(run, job=None, waits=f"waits until {target} is resumed", held_by=target)


def _is_scored(version: PartitionVersion) -> bool:
    """Return whether the latest generation needs no new job."""
    return bool(version.generations) and version.generations[-1].state is not ScoringState.CLAIMED


def _why_it_waits(feed: Feed, record: Partition, turns: Sequence[str]) -> str | None:
    """Return why the latest version starts no job now, or None if nothing holds it back."""
    if is_held_back(feed, record):
        return BEFORE_INSTALLATION
    turn = version_name(record.partition, len(record.versions))
    requested = [claim for claim in record.claims[-1:] if claim.awaits_submission]
    waiting = [*map(turn_of, requested), *([turn] if starts_by_itself(feed, record) else [])]
    if any(name not in turns for name in waiting):
        return f"waits for its turn: at most {feed.catch_up.max_live} jobs of the feed run at a time"
    return None
