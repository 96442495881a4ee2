"""Any order of changed files, looks, jobs and results keeps a partition's versions and its result right."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.test_completeness import NOW, PREFIX, feed, listed
from tests.unit.test_partition_result import published

from tidegate.domain.partitions.completeness import NewVersion, ScoreAgain, decide_completeness, next_version
from tidegate.domain.partitions.listing import sort_listing
from tidegate.domain.partitions.names import result_order
from tidegate.domain.partitions.records import Claim, Generation, Partition, ScoringState
from tidegate.domain.partitions.result import current_result, decide_result

_MAX_VERSIONS = 4


class Partitions(RuleBasedStateMachine):
    """A partition with a marker, whose files change while it is scored."""

    @initialize(then=st.sampled_from(["new_version", "alert", "ignore"]))
    def begin(self, then: str) -> None:
        late = {"then": then, "max_versions": _MAX_VERSIONS, "quiet_for": "1s"}
        self.feed = feed({"marker": "_SUCCESS"}, late_files=late)
        self.record = Partition(feed="digits", partition="202611")
        self.files: dict[str, str] = {}
        self.snapshots: dict[int, dict[str, str]] = {}
        self.now = NOW

    @rule(name=st.sampled_from("abc"), content=st.sampled_from(["0x1", "0x2"]))
    def write(self, name: str, content: str) -> None:
        self.files[f"{name}.png"] = content

    @rule(name=st.sampled_from("abc"))
    def delete(self, name: str) -> None:
        self.files.pop(f"{name}.png", None)

    @rule()
    def look(self) -> None:
        self.now += timedelta(minutes=1)
        blobs = [listed(name, etag=etag) for name, etag in [*self.files.items(), ("_SUCCESS", "0x0")]]
        listing = sort_listing(self.feed, PREFIX, blobs, {})
        decision = decide_completeness(self.feed, self.record, listing, self.now, None)
        if isinstance(decision, NewVersion):
            self.record.versions.append(
                next_version(self.record, decision, self.now, before_installation=False)
            )
            self.snapshots[len(self.record.versions)] = dict(self.files)
        if isinstance(decision, NewVersion | ScoreAgain):
            self._claim(self.record.versions[-1].number)

    @precondition(lambda self: self.record.versions)
    @rule(data=st.data())
    def a_person_scores_again(self, data: st.DataObject) -> None:
        self._claim(data.draw(st.integers(1, len(self.record.versions))))

    @precondition(lambda self: self._live())
    @rule(data=st.data(), verdict=st.sampled_from(["ok", "ok", "incomplete", "too_many_errors"]))
    def finish(self, data: st.DataObject, verdict: str) -> None:
        self._finish(data.draw(st.sampled_from(self._live())), verdict)

    @invariant()
    def versions_count_up_and_differ(self) -> None:
        versions = getattr(self, "record", Partition(feed="digits", partition="202611")).versions
        assert [version.number for version in versions] == list(range(1, len(versions) + 1))
        assert len(versions) <= _MAX_VERSIONS
        hashes = [version.manifest_hash for version in versions]
        assert all(first != second for first, second in pairwise(hashes))

    @invariant()
    def the_result_is_the_newest_of_the_highest_scored_version(self) -> None:
        if hasattr(self, "record"):
            scored = [claim for claim in self.record.claims if claim.generation.state is ScoringState.SCORED]
            newest = max((claim.name for claim in scored), key=result_order, default=None)
            assert self.record.result == newest

    def teardown(self) -> None:
        """Score the files as they are when they rest, if the policy makes new versions."""
        if not hasattr(self, "record") or not self.files:
            return
        for _ in range(2 * _MAX_VERSIONS):
            self.look()
            for claim in self._live():
                self._finish(claim, "ok")
        latest = self.record.versions[-1]
        if self.feed.late_files.then.value == "new_version" and latest.number < _MAX_VERSIONS:
            assert self.snapshots[latest.number] == self.files
            assert latest.generations[-1].state is not ScoringState.SUPERSEDED

    def _claim(self, number: int) -> None:
        version = self.record.versions[number - 1]
        if self.record.live_claim(number) is None:
            self.now += timedelta(seconds=1)
            model = {"model_name": "classifier", "model_version": "7", "compute": "gpu", "reason": "r"}
            generation = Generation(number=len(version.generations) + 1, claimed_at=self.now, **model)
            version.generations.append(generation)

    def _finish(self, claim: Claim, verdict: str) -> None:
        snapshot = self.snapshots[claim.version.number]
        changed = [name for name, etag in snapshot.items() if self.files.get(name) != etag]
        report = published(version=claim.version_name, files=claim.version.files, verdict=verdict)
        result = decide_result(report, claim, changed)
        claim.generation.state = result.state
        if result.counts:
            later = self.record.versions[claim.version.number :]
            assert not changed
            assert all(version.snapshot_at < claim.generation.claimed_at for version in later)
            self.record.result = current_result(claim)

    def _live(self) -> list[Claim]:
        return [claim for claim in self.record.claims if not claim.generation.state.final]


TestPartitions = Partitions.TestCase
TestPartitions.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
