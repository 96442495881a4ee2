"""From files to a registered version to a job to a result: handlers with the real SDKs on Tidepool."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.bursts import KINDS, looks_for_burst
from tests.support.handler_harness import CHECK, FINISH, JOB, LOOK, MONTH, SCORE, HandlerHarness, commands
from tests.support.installation import QUICK, Installation

from tidegate.api.views import partition_view
from tidegate.domain.assets import BLOBSTORE
from tidegate.domain.jobs.plan import plan_scoring
from tidegate.domain.partitions.manifest import Manifest
from tidegate.domain.partitions.records import ScoringState
from tidegate.domain.partitions.result import Result
from tidegate.errors import ConflictError, NotFoundError, PermanentError
from tidegate.messages.commands import CheckPartition, Reconcile, ScorePartition
from tidegate.service.manual_actions.rerun import RerunRequest
from tidegate.service.steps.generation_claims import ScoringRequest, end_generation

FILES = {"a.png": "cat", "b.png": "dog", "sub/c.png": "cat"}


def test_a_month_becomes_a_result_though_every_step_is_taken_twice(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.upload(MONTH, FILES)

    harness.run(CHECK, twice=True)

    assert harness.partition.result == "209901-1-g1"
    assert installation.jobs() == {JOB: "Completed"}
    assert sorted(harness.kinds) == ["partition.registered", "partition.scored"]
    assert len(installation.notifications()) == 2
    data, version = installation.ml.data.get("stories", "209901-1"), harness.claim.version
    assert data.path.endswith("/paths/209901/")
    assert data.tags["tidegate_manifest"] == version.manifest_hash
    text = harness.workspaces["development"].datastores.read(BLOBSTORE, version.manifest_path).decode()
    assert [name for name, _, _ in Manifest.from_text(text).entries] == sorted(FILES)
    lineage = installation.ml.data.get("stories-predictions", "209901-1-g1").tags
    assert lineage["tidegate_data"] == "stories:209901-1"
    assert (lineage["tidegate_model"], lineage["tidegate_job"]) == ("quick-model:1", JOB)
    outcome = harness.claim.generation.outcome
    assert outcome is not None
    assert (outcome.files, outcome.rows, outcome.errors) == (3, 3, 0)
    assert str(outcome.csv).endswith("predictions/stories/209901/209901-1/g1/predictions.csv")


def test_a_chain_of_checks_neither_multiplies_nor_dies(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.configure(complete_when=[{"quiet_for": "15m"}])
    installation.upload(MONTH, FILES, marker=False)
    harness.clock.now = datetime.now(UTC)  # not before the time of the files
    first = CHECK.model_copy(update={"due": harness.clock.now})

    [wait] = harness.do(first)
    assert isinstance(wait.command, CheckPartition)
    assert wait.command.due == harness.partition.check_due
    assert harness.do(first) == []
    assert harness.do(CHECK) == []
    [again] = harness.do(wait.command)
    assert again.command == wait.command
    assert timedelta(minutes=14) < again.delay <= timedelta(minutes=15)

    harness.clock.move(minutes=16)
    [score] = commands(harness.do(wait.command))
    assert score == SCORE


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=() if kind in ("marker", "count and quiet time") else pytest.mark.long)
        for kind in KINDS
    ],
)
def test_a_burst_of_files_leads_to_one_look_and_the_final_one_for_every_kind_of_feed(
    installation: Installation, harness: HandlerHarness, kind: str
) -> None:
    installation.configure(complete_when=[KINDS[kind]], late_files={"quiet_for": "5m"})

    looks = looks_for_burst(harness, kind, timedelta(seconds=45))

    assert looks <= 2
    assert [version.number for version in harness.partition.versions] == [1]


def test_a_burst_of_files_leads_to_few_listings_of_a_large_partition(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.upload(MONTH, FILES, marker=False)
    harness.do(CHECK)
    record = harness.partition
    record.listed_files = 100_000
    harness.ledger.save(record)

    checks = [
        CHECK.model_copy(update={"due": harness.clock.now - timedelta(seconds=age)}) for age in (3, 2, 1)
    ]
    [later] = [follow for check in checks for follow in harness.do(check)]

    assert timedelta(minutes=4) < later.delay < timedelta(minutes=6)
    assert harness.partition.listed_files == 100_000
    harness.clock.move(minutes=6)
    assert harness.do(later.command) == []
    assert harness.partition.listed_files == len(FILES)


def test_a_late_file_is_found_though_the_check_of_it_was_lost(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.hold_jobs()
    installation.configure(starts="209801", late_files={"quiet_for": "1h"})
    installation.upload(MONTH, FILES)
    harness.submit()
    harness.clock.move(days=1)
    installation.upload(MONTH, {"late.png": "cat"}, marker=False)
    harness.clock.now = datetime.now(UTC)

    [lost] = harness.do(CHECK.model_copy(update={"due": harness.clock.now}))
    assert isinstance(lost.command, CheckPartition)
    harness.clock.now += timedelta(hours=2)
    timer = [one.command for one in harness.do(Reconcile(cause="timer"))]

    assert CheckPartition(cause="timer", feed="stories", partition=MONTH) in timer
    harness.submit()
    assert [version.number for version in harness.partition.versions] == [1, 2]
    assert harness.partition.check_due is None


def test_a_version_that_comes_while_another_is_finished_leaves_no_news_of_success(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.upload(MONTH, FILES)
    harness.until_submitted()
    harness.do(LOOK)
    stale = harness.ledger.partition("stories", MONTH)
    installation.upload(MONTH, {"late.png": "cat"})
    harness.clock.move(hours=1)
    harness.do(CHECK)
    assert harness.partition.versions[-1].number == 2

    with pytest.raises(ConflictError):
        end_generation(harness.service, stale.claims[0], Result(ScoringState.SCORED), "test")

    assert "partition.scored" not in harness.kinds
    harness.do(FINISH)
    assert "partition.scored" not in harness.kinds


@pytest.mark.parametrize(
    "then",
    ["ignore", *(pytest.param(then, marks=pytest.mark.long) for then in ("new_version", "alert"))],
)
def test_files_that_are_overwritten_during_the_scoring_and_put_back_are_scored_again(
    installation: Installation, harness: HandlerHarness, then: str
) -> None:
    installation.configure(late_files={"then": then, "quiet_for": "1h", "max_versions": 5})
    installation.upload(MONTH, FILES)
    harness.until_submitted()
    harness.do(LOOK)
    installation.upload(MONTH, {"a.png": "dog"})
    harness.clock.now = datetime.now(UTC)
    harness.do(FINISH)
    assert harness.claim.generation.state is ScoringState.SUPERSEDED
    harness.do(CHECK)

    installation.upload(MONTH, {"a.png": "cat"})
    harness.clock.move(minutes=1)
    harness.run(CHECK, twice=True)

    assert [version.number for version in harness.partition.versions] == [1]
    assert harness.partition.result == f"{MONTH}-1-g2"
    assert len(installation.jobs()) == 2


def test_a_change_during_the_scoring_cannot_be_ignored(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.configure(late_files={"then": "ignore", "quiet_for": "1s", "max_versions": 5})
    installation.upload(MONTH, FILES)
    harness.until_submitted()
    harness.do(LOOK)
    installation.upload(MONTH, {"a.png": "dog"})
    harness.clock.now = datetime.now(UTC) + timedelta(minutes=1)

    harness.run(FINISH)

    assert harness.partition.result == f"{MONTH}-2-g1"


def test_a_new_version_does_not_stop_what_the_version_before_waits_for(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.upload(MONTH, FILES)
    harness.do(CHECK)
    record = harness.partition
    record.versions[0].registered = False  # the check was killed before it registered the version
    harness.ledger.save(record)
    harness.claims.claim(ScoringRequest(feed="stories", partition=MONTH, reason="requested"))
    installation.upload(MONTH, {"late.png": "cat"})
    harness.clock.move(hours=1)

    scorings = [
        (command.version, command.generation)
        for command in commands(harness.do(CHECK))
        if isinstance(command, ScorePartition)
    ]

    assert (1, 1) in scorings
    assert (2, 1) in scorings


def test_a_partition_without_a_result_at_its_deadline_is_announced_once(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.hold_jobs()
    installation.configure(starts="209901", deadline={"day": 5})
    harness.clock.now = datetime(2099, 1, 20, tzinfo=UTC)
    installation.upload(MONTH, FILES)
    harness.until_submitted()
    record = harness.partition
    record.listed_at = datetime(2099, 2, 4, 23, 59, tzinfo=UTC)
    harness.ledger.save(record)
    harness.clock.now = datetime(2099, 2, 4, 23, 59, tzinfo=UTC)
    timer = CHECK.model_copy(update={"cause": "timer"})
    assert timer not in commands(harness.do(Reconcile(cause="timer")))
    harness.clock.move(minutes=2)
    assert timer in commands(harness.do(Reconcile(cause="timer")))

    for _ in range(2):
        harness.do(CHECK)

    assert harness.kinds == ["partition.registered", "partition.late"]
    late = harness.activities[-1]
    assert late.title == "stories 209901 was not scored by the deadline"
    assert f"Its scoring runs since 2099-01-20 00:00 UTC (job {JOB})" in late.text
    assert timer not in commands(harness.do(Reconcile(cause="timer")))


def test_two_checks_at_once_make_one_version(installation: Installation, harness: HandlerHarness) -> None:
    installation.upload(MONTH, FILES)

    def check() -> str:
        try:
            harness.do(CHECK)
        except ConflictError:
            return "again"
        return "done"

    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(lambda _: check(), range(4)))

    assert "done" in ends
    harness.do(CHECK)
    assert [version.number for version in harness.partition.versions] == [1]
    assert [data.version for data in installation.ml.data.list(name="stories")] == ["209901-1"]


def test_files_that_no_job_can_read_become_rows_and_the_rest_is_scored(
    installation: Installation, harness: HandlerHarness
) -> None:
    from tests.support.installation import SCORE as SETTINGS

    installation.configure(score={**SETTINGS, "max_error_rate": 1})
    long = "long" * 65
    unusable = {"a//b.png": "cat", "archived.png": "cat", "clash": "cat", "empty.png": "", long: "cat"}
    installation.upload(MONTH, {"ガラス.png": "cat", "clash/x.png": "dog", "f1/y.png": "cat", **unusable})
    images = installation.images
    images.get_blob_client(f"{MONTH}/archived.png").set_standard_blob_tier("Archive")
    images.upload_blob(f"{MONTH}/f1", b"", metadata={"Hdi_isfolder": "True"})
    images.upload_blob(f"{MONTH}/f2_$folder$", b"")

    harness.run(CHECK)

    [version] = harness.partition.versions
    assert (version.files, version.unusable.count, version.archived) == (8, 5, 1)
    assert [name.partition(" (")[0] for name in version.unusable.names] == sorted(unusable)
    outcome = harness.claim.generation.outcome
    assert outcome is not None
    assert harness.claim.generation.state is ScoringState.SCORED
    assert (outcome.files, outcome.rows, outcome.errors) == (8, 8, 5)
    sentence = "5 files cannot be read by a job and become rows with their errors: a//b.png ("
    assert all(sentence in activity.text for activity in harness.activities)
    manifest = harness.workspaces["development"].datastores.read(BLOBSTORE, version.manifest_path).decode()
    assert "ガラス.png" in manifest
    assert Manifest.from_text(manifest).hash == version.manifest_hash

    images.get_blob_client(f"{MONTH}/archived.png").set_standard_blob_tier("Hot")
    harness.clock.move(minutes=1)
    assert [command.version for command in commands(harness.do(CHECK))] == [2]  # type: ignore[union-attr]
    images.get_blob_client(f"{MONTH}/f1/y.png").set_standard_blob_tier("Archive")
    assert commands(harness.do(CHECK)) in ([], [SCORE.model_copy(update={"version": 2})])
    assert len(harness.partition.versions) == 2


def test_a_month_without_a_readable_file_fails_before_any_job(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.upload(MONTH, {"a.png": "", "b.png": ""})

    harness.run(CHECK)

    assert harness.claim.generation.state is ScoringState.FAILED
    assert "a.png (the file is empty)" in str(harness.claim.generation.error)
    assert installation.jobs() == {}


def test_a_late_month_is_announced_once_and_still_completes(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.configure(deadline={"day": 5}, only="*.png")
    installation.upload(MONTH, {"a.webp": "cat"}, marker=False)
    installation.upload("2099-01", {"a.png": "cat"}, marker=False)
    harness.clock.move(days=365 * 80)

    harness.run(CHECK, CHECK)
    assert harness.kinds == ["partition.late"]
    assert "no file that counts has arrived" in harness.activities[0].text
    assert "1 file does not match `*.png`: a.webp." in harness.activities[0].text
    outside = "1 file below the feed's path is in no partition's folder: 2099-01/a.png."
    assert outside in harness.activities[0].text
    [announced] = harness.ledger.activities("files:feed:stories")
    assert (announced.kind, outside in announced.text) == ("feed.files_outside", True)
    assert len(installation.notifications()) == 2

    installation.upload(MONTH, FILES)
    assert commands(harness.do(CHECK)) == [SCORE]


def test_files_that_do_not_match_are_counted_and_named(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.configure(only="*.png")
    installation.upload(MONTH, {"a.png": "cat", "b.PNG": "dog", "c.webp": "x", "sub/d.txt": "x"})

    harness.run(CHECK)

    [version] = harness.partition.versions
    assert version.files == 2
    assert version.left_out.not_matching.names == ["c.webp", "sub/d.txt"]
    sentence = "2 files do not match `*.png`: c.webp, sub/d.txt."
    assert sorted(harness.kinds) == ["partition.registered", "partition.scored"]
    assert all(sentence in activity.text for activity in harness.activities)
    assert [activity.data["left_out"] for activity in harness.activities] == [2, 2]

    installation.upload(MONTH, {"late.webp": "x"}, marker=False)
    harness.do(CHECK)

    assert harness.partition.left_out.files == 3
    assert len(harness.partition.versions) == 1
    view = partition_view(harness.partition, harness.config().feeds["stories"], [])
    assert (view.left_out, view.versions[0].left_out.files) == (3, 2)


def test_late_files_can_be_told_of_instead_of_scored(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.configure(late_files={"then": "alert", "quiet_for": "1s"})
    installation.upload(MONTH, FILES)
    harness.do(CHECK)
    installation.upload(MONTH, {"late.png": "bird"}, marker=False)
    harness.clock.move(minutes=1)

    for _ in range(2):
        harness.do(CHECK)

    assert harness.kinds == ["partition.registered", "partition.changed"]
    assert len(harness.partition.versions) == 1


def test_a_data_asset_with_other_files_is_not_taken_for_ours(
    installation: Installation, harness: HandlerHarness
) -> None:
    from azure.ai.ml.entities import Data

    path = "azureml://datastores/workspaceblobstore/paths/elsewhere/"
    installation.ml.data.create_or_update(
        Data(name="stories", version="209901-1", path=path, type="uri_folder")
    )
    installation.upload(MONTH, FILES)

    with pytest.raises(PermanentError, match="stories:209901-1 exists with other files"):
        harness.do(CHECK)


def test_a_submission_that_was_not_recorded_is_found_and_not_repeated(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.upload(MONTH, FILES)
    harness.do(CHECK)
    version = harness.partition.versions[0]
    feed, workspace = harness.config().feeds["stories"], harness.workspaces["development"]
    claimed = harness.claims.claim(ScoringRequest(feed="stories", partition=MONTH, reason="test"))
    assert claimed.version.number == version.number
    for cluster in ("gpu-lowpri", "cpu"):
        workspace.computes.is_ready(cluster)
    installation.cloud.settle()
    workspace.jobs.submit(plan_scoring(feed, harness.claim), workspace.assets.newest_pipeline("quick").id)

    assert commands(harness.do(LOOK)) == [SCORE]
    harness.run(SCORE)

    assert harness.partition.result == "209901-1-g1"
    assert list(installation.jobs()) == [JOB]


def test_two_submissions_at_once_make_one_job(installation: Installation, harness: HandlerHarness) -> None:
    installation.hold_jobs()
    installation.upload(MONTH, FILES)
    harness.do(CHECK)
    harness.do(SCORE)
    installation.cloud.settle()

    def score() -> None:
        try:
            harness.do(SCORE)
        except ConflictError:
            harness.do(SCORE)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: score(), range(3)))

    assert list(installation.jobs()) == [JOB]
    assert harness.claim.generation.state is ScoringState.SUBMITTED


def test_a_model_without_a_signature_of_images_fails_before_any_job(
    installation: Installation, harness: HandlerHarness
) -> None:
    from azure.ai.ml.entities import Model

    folder = installation.config_file.parent / "unsigned"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {python_function: {loader_module: nothing}}\n")
    installation.ml.models.create_or_update(
        Model(name="quick-model", version="2", path=folder, type="mlflow_model")
    )
    installation.upload(MONTH, FILES)

    harness.run(CHECK, twice=False)

    generation = harness.claim.generation
    assert (generation.state, generation.model_version) == (ScoringState.FAILED, "2")
    assert "no tensor signature" in (generation.error or "")
    assert installation.jobs() == {}
    assert "partition.failed" in harness.kinds


def test_a_pipeline_says_which_model_it_takes_and_any_takes_all(
    installation: Installation, harness: HandlerHarness
) -> None:
    from azure.ai.ml import load_component
    from azure.ai.ml.entities import Model

    folder = installation.config_file.parent / "unsigned"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {python_function: {loader_module: nothing}}\n")
    installation.ml.models.create_or_update(
        Model(name="quick-model", version="2", path=folder, type="mlflow_model")
    )
    installation.hold_jobs()
    pipeline = load_component(QUICK)
    pipeline.tags = {}
    installation.ml.components.create_or_update(pipeline, version="2")
    installation.upload(MONTH, FILES)
    harness.do(CHECK)

    with pytest.raises(PermanentError, match="quick does not say which model it takes"):
        harness.do(SCORE)
    pipeline.tags = {"tidegate_model": "any"}
    installation.ml.components.create_or_update(pipeline, version="3")
    harness.do(SCORE)

    assert harness.claim.generation.state is ScoringState.SUBMITTED
    assert list(installation.jobs()) == [JOB]


@pytest.mark.parametrize(
    ("changes", "missing"), [({"pipeline": "nowhere"}, "nowhere"), ({"model": "nothing"}, "nothing")]
)
def test_what_is_not_registered_yet_is_waited_for(
    installation: Installation, harness: HandlerHarness, changes: dict[str, str], missing: str
) -> None:
    from tests.support.installation import SCORE as SETTINGS

    installation.configure(score={**SETTINGS, **changes})
    installation.upload(MONTH, FILES)
    harness.do(CHECK)

    with pytest.raises(NotFoundError, match=missing):
        harness.run(SCORE)

    assert installation.jobs() == {}


def test_files_that_change_under_a_job_supersede_its_version(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.upload(MONTH, FILES)
    harness.until_submitted()
    installation.upload(MONTH, {"a.png": "another"}, marker=False)

    harness.do(LOOK)
    told = harness.do(FINISH)

    assert harness.claim.generation.state is ScoringState.SUPERSEDED
    assert "a.png" in (harness.claim.generation.error or "")
    assert harness.partition.result is None
    assert commands(told) == [CHECK]
    assert "partition.superseded" in harness.kinds


def test_too_many_broken_files_fail_the_version(installation: Installation, harness: HandlerHarness) -> None:
    installation.upload(MONTH, {**FILES, "b.png": "broken"})

    harness.run(CHECK)

    assert harness.claim.generation.state is ScoringState.FAILED
    assert "33.33% of the files are broken" in (harness.claim.generation.error or "")
    assert harness.partition.result is None


def test_the_same_key_claims_once_also_at_the_same_time(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.upload(MONTH, FILES)
    harness.do(CHECK)
    wish = ScoringRequest(
        feed="stories", partition=MONTH, model="quick-model:1", reason="again", idempotency_key="k"
    )

    with ThreadPoolExecutor(3) as pool:
        numbers = {claim.generation.number for claim in pool.map(harness.claims.claim, [wish] * 3)}

    assert numbers == {1}
    more = ScoringRequest(feed="stories", partition=MONTH, reason="and again", idempotency_key="more")
    assert harness.claims.claim(more).generation.number == 2
    with pytest.raises(NotFoundError):
        harness.claims.claim(ScoringRequest(feed="stories", partition="209912", reason="nothing there"))


def test_a_version_that_was_overtaken_before_it_was_scored_is_left(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.upload(MONTH, FILES)
    harness.do(CHECK)
    installation.upload(MONTH, {"late.png": "bird"}, marker=False)
    harness.clock.move(minutes=1)

    assert commands(harness.do(CHECK)) == [SCORE.model_copy(update={"version": 2})]
    assert harness.do(SCORE) == []
    with pytest.raises(PermanentError, match="no version 3"):
        harness.do(ScorePartition(cause="test", feed="stories", partition=MONTH, version=3))


@pytest.mark.parametrize("late", [{"then": "alert"}, {"then": "ignore"}, {"max_versions": 1}], ids=str)
def test_a_rerun_makes_the_version_that_the_policy_does_not(
    installation: Installation, harness: HandlerHarness, late: dict[str, Any]
) -> None:
    installation.hold_jobs()
    installation.configure(late_files={"quiet_for": "1m", **late})
    installation.upload(MONTH, FILES)
    harness.submit()
    installation.upload(MONTH, {"a.png": "dog"}, marker=False)
    harness.clock.move(hours=1)
    harness.submit()
    assert [version.number for version in harness.partition.versions] == [1]

    feed = harness.config().feeds["stories"]
    reruns = harness.service.reruns
    claim = reruns.rerun(feed, harness.partition, RerunRequest(reason="they are right now"), None)

    assert claim.name == "209901-2-g1"
    assert harness.partition.versions[-1].reason == "asked for: they are right now"
    again = reruns.rerun(feed, harness.partition, RerunRequest(reason="once more"), "once more")
    assert again.name == "209901-2-g2"
