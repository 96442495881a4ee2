"""From files to a registered version to a job to a result: handlers with the real SDKs on Tidepool."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.handler_harness import CHECK, FINISH, JOB, LOOK, MONTH, SCORE, House, commands
from tests.support.installation import Estate

from tidegate.domain.assets import BLOBSTORE
from tidegate.domain.jobs.plan import plan_scoring
from tidegate.domain.partitions.manifest import Manifest
from tidegate.domain.partitions.records import ScoringState
from tidegate.domain.partitions.result import Result
from tidegate.errors import ConflictError, NotFoundError, PermanentError
from tidegate.messages.commands import CheckMonth, Reconcile, ScoreMonth
from tidegate.service.manual_actions.rerun import Rerun, Reruns
from tidegate.service.steps.generation_claims import Wish
from tidegate.service.steps.generation_end import end
from tidepool.cloud import Tidepool

FILES = {"a.png": "cat", "b.png": "dog", "sub/c.png": "cat"}


@pytest.fixture
def estate(tidepool: Tidepool, tmp_path: Path) -> Iterator[Estate]:
    yield Estate(tidepool, tmp_path)
    tidepool.clear_faults()


@pytest.fixture
def house(estate: Estate) -> House:
    return House(estate)


def test_a_month_becomes_a_result_though_every_step_is_taken_twice(estate: Estate, house: House) -> None:
    estate.upload(MONTH, FILES)

    house.run(CHECK, twice=True)

    assert house.month.result == "209901-1-g1"
    assert estate.jobs() == {JOB: "Completed"}
    assert sorted(house.kinds) == ["month.registered", "month.scored"]
    assert len(estate.letters()) == 2
    data, version = estate.ml.data.get("stories", "209901-1"), house.claim.version
    assert data.path.endswith("/paths/209901/")
    assert data.tags["tidegate_manifest"] == version.manifest_hash
    text = house.workspaces["development"].datastores.read(BLOBSTORE, version.manifest_path).decode()
    assert [name for name, _, _ in Manifest.from_text(text).entries] == sorted(FILES)
    lineage = estate.ml.data.get("stories-predictions", "209901-1-g1").tags
    assert lineage["tidegate_data"] == "stories:209901-1"
    assert (lineage["tidegate_model"], lineage["tidegate_job"]) == ("quick-model:1", JOB)
    outcome = house.claim.generation.outcome or {}
    assert (outcome["files"], outcome["rows"], outcome["errors"]) == (3, 3, 0)
    assert outcome["csv"].endswith("predictions/stories/209901/209901-1/g1/predictions.csv")


def test_a_chain_of_checks_neither_multiplies_nor_dies(estate: Estate, house: House) -> None:
    estate.configure(complete_when=[{"quiet_for": "15m"}])
    estate.upload(MONTH, FILES, marker=False)
    first = CHECK.model_copy(update={"due": house.clock.now})

    [wait] = house.do(first)
    assert isinstance(wait.command, CheckMonth)
    assert wait.command.due == house.month.check_due
    assert house.do(first) == []
    assert house.do(CHECK) == []
    [again] = house.do(wait.command)
    assert again.command == wait.command
    assert timedelta(minutes=14) < again.delay <= timedelta(minutes=15)

    house.clock.move(minutes=16)
    [score] = commands(house.do(wait.command))
    assert score == SCORE


def test_a_late_file_is_found_though_the_check_of_it_was_lost(estate: Estate, house: House) -> None:
    estate.configure(starts="209801", late_files={"quiet_for": "1h"})
    estate.upload(MONTH, FILES)
    house.run(CHECK)
    house.clock.move(days=1)
    estate.upload(MONTH, {"late.png": "cat"}, marker=False)
    house.clock.now = datetime.now(UTC)

    [lost] = house.do(CHECK.model_copy(update={"due": house.clock.now}))
    assert isinstance(lost.command, CheckMonth)
    house.clock.now += timedelta(hours=2)
    timer = [one.command for one in house.do(Reconcile(cause="timer"))]

    assert CheckMonth(cause="timer", feed="stories", month=MONTH) in timer
    house.run(CHECK)
    assert [version.number for version in house.month.versions] == [1, 2]
    assert house.month.check_due is None


def test_a_version_that_comes_while_another_is_finished_leaves_no_news_of_success(
    estate: Estate, house: House
) -> None:
    estate.upload(MONTH, FILES)
    house.until_submitted()
    house.do(LOOK)
    stale = house.finishing.ledger.month("stories", MONTH)
    estate.upload(MONTH, {"late.png": "cat"})
    house.clock.move(hours=1)
    house.do(CHECK)
    assert house.month.versions[-1].number == 2

    with pytest.raises(ConflictError):
        end(house.ledger, stale.claims[0], Result(ScoringState.SCORED), at=house.clock(), cause="test")

    assert "month.scored" not in house.kinds
    house.do(FINISH)
    assert "month.scored" not in house.kinds


def test_two_checks_at_once_make_one_version(estate: Estate, house: House) -> None:
    estate.upload(MONTH, FILES)

    def check() -> str:
        try:
            house.do(CHECK)
        except ConflictError:
            return "again"
        return "done"

    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(lambda _: check(), range(4)))

    assert "done" in ends
    house.do(CHECK)
    assert [version.number for version in house.month.versions] == [1]
    assert [data.version for data in estate.ml.data.list(name="stories")] == ["209901-1"]


def test_a_late_month_is_announced_once_and_still_completes(estate: Estate, house: House) -> None:
    estate.configure(deadline={"day": 5})
    house.clock.move(days=365 * 80)

    house.run(CHECK, CHECK)
    assert house.kinds == ["month.late"]
    assert "no file is there" in house.activities[0].text

    estate.upload(MONTH, FILES)
    assert commands(house.do(CHECK)) == [SCORE]


def test_late_files_can_be_told_of_instead_of_scored(estate: Estate, house: House) -> None:
    estate.configure(late_files={"then": "alert", "quiet_for": "1s"})
    estate.upload(MONTH, FILES)
    house.do(CHECK)
    estate.upload(MONTH, {"late.png": "bird"}, marker=False)
    house.clock.move(minutes=1)

    for _ in range(2):
        house.do(CHECK)

    assert house.kinds == ["month.registered", "month.changed"]
    assert len(house.month.versions) == 1


def test_a_data_asset_with_other_files_is_not_taken_for_ours(estate: Estate, house: House) -> None:
    from azure.ai.ml.entities import Data

    path = "azureml://datastores/workspaceblobstore/paths/elsewhere/"
    estate.ml.data.create_or_update(Data(name="stories", version="209901-1", path=path, type="uri_folder"))
    estate.upload(MONTH, FILES)

    with pytest.raises(PermanentError, match="stories:209901-1 exists already"):
        house.do(CHECK)


def test_a_submission_that_was_not_recorded_is_found_and_not_repeated(estate: Estate, house: House) -> None:
    estate.upload(MONTH, FILES)
    house.do(CHECK)
    version = house.month.versions[0]
    feed, workspace = house.config().feeds["stories"], house.workspaces["development"]
    claimed = house.claims.claim(Wish(feed="stories", month=MONTH, reason="test"))
    assert claimed.version.number == version.number
    for cluster in ("gpu-lowpri", "cpu"):
        workspace.computes.is_ready(cluster)
    estate.cloud.settle()
    workspace.jobs.submit(plan_scoring(feed, house.claim), workspace.assets.newest_component("quick"))

    assert commands(house.do(LOOK)) == [SCORE]
    house.run(SCORE)

    assert house.month.result == "209901-1-g1"
    assert list(estate.jobs()) == [JOB]


def test_two_submissions_at_once_make_one_job(estate: Estate, house: House) -> None:
    estate.upload(MONTH, FILES)
    house.do(CHECK)
    house.do(SCORE)
    estate.cloud.settle()

    def score() -> None:
        try:
            house.do(SCORE)
        except ConflictError:
            house.do(SCORE)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: score(), range(3)))

    assert list(estate.jobs()) == [JOB]
    assert house.claim.generation.state is ScoringState.SUBMITTED


def test_a_model_without_a_signature_of_images_fails_before_any_job(estate: Estate, house: House) -> None:
    from azure.ai.ml.entities import Model

    folder = estate.config_file.parent / "unsigned"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {python_function: {loader_module: nothing}}\n")
    estate.ml.models.create_or_update(
        Model(name="quick-model", version="2", path=folder, type="mlflow_model")
    )
    estate.upload(MONTH, FILES)

    house.run(CHECK, twice=False)

    generation = house.claim.generation
    assert (generation.state, generation.model_version) == (ScoringState.FAILED, "2")
    assert "no tensor signature" in (generation.error or "")
    assert estate.jobs() == {}
    assert "month.failed" in house.kinds


@pytest.mark.parametrize(
    ("changes", "missing"), [({"pipeline": "nowhere"}, "nowhere"), ({"model": "nothing"}, "nothing")]
)
def test_what_is_not_registered_yet_is_waited_for(
    estate: Estate, house: House, changes: dict[str, str], missing: str
) -> None:
    from tests.support.installation import SCORE as SETTINGS

    estate.configure(score={**SETTINGS, **changes})
    estate.upload(MONTH, FILES)
    house.do(CHECK)

    with pytest.raises(NotFoundError, match=missing):
        house.run(SCORE)

    assert estate.jobs() == {}


def test_files_that_change_under_a_job_supersede_its_version(estate: Estate, house: House) -> None:
    estate.upload(MONTH, FILES)
    house.until_submitted()
    estate.upload(MONTH, {"a.png": "another"}, marker=False)

    house.do(LOOK)
    told = house.do(FINISH)

    assert house.claim.generation.state is ScoringState.SUPERSEDED
    assert "a.png" in (house.claim.generation.error or "")
    assert house.month.result is None
    assert commands(told) == [CHECK]
    assert "month.superseded" in house.kinds


def test_too_many_broken_files_fail_the_version(estate: Estate, house: House) -> None:
    estate.upload(MONTH, {**FILES, "b.png": "broken"})

    house.run(CHECK)

    assert house.claim.generation.state is ScoringState.FAILED
    assert "33.33% of the files are broken" in (house.claim.generation.error or "")
    assert house.month.result is None


def test_the_same_key_claims_once_also_at_the_same_time(estate: Estate, house: House) -> None:
    estate.upload(MONTH, FILES)
    house.do(CHECK)
    wish = Wish(feed="stories", month=MONTH, model="quick-model:1", reason="again", idempotency_key="k")

    with ThreadPoolExecutor(3) as pool:
        numbers = {claim.generation.number for claim in pool.map(house.claims.claim, [wish] * 3)}

    assert numbers == {1}
    other = house.claims.claim(Wish(feed="stories", month=MONTH, reason="and again")).generation
    assert other.number == 2
    with pytest.raises(NotFoundError):
        house.claims.claim(Wish(feed="stories", month="209912", reason="nothing there"))


def test_a_version_that_was_overtaken_before_it_was_scored_is_left(estate: Estate, house: House) -> None:
    estate.upload(MONTH, FILES)
    house.do(CHECK)
    estate.upload(MONTH, {"late.png": "bird"}, marker=False)
    house.clock.move(minutes=1)

    assert commands(house.do(CHECK)) == [SCORE.model_copy(update={"version": 2})]
    assert house.do(SCORE) == []
    with pytest.raises(PermanentError, match="no version 3"):
        house.do(ScoreMonth(cause="test", feed="stories", month=MONTH, version=3))


@pytest.mark.parametrize("late", [{"then": "alert"}, {"then": "ignore"}, {"max_versions": 1}], ids=str)
def test_a_rerun_makes_the_version_that_the_policy_does_not(
    estate: Estate, house: House, late: dict[str, Any]
) -> None:
    estate.configure(late_files={"quiet_for": "1m", **late})
    estate.upload(MONTH, FILES)
    house.run(CHECK)
    estate.upload(MONTH, {"a.png": "dog"}, marker=False)
    house.clock.move(hours=1)
    house.run(CHECK)
    assert [version.number for version in house.month.versions] == [1]

    feed = house.config().feeds["stories"]
    reruns = Reruns(claims=house.claims, arrival=house.arrival, queue=house.service.queue)
    claim = reruns.request(feed, house.month, Rerun(reason="they are right now"), None)

    assert claim.name == "209901-2-g1"
    assert house.month.versions[-1].reason == "asked for: they are right now"
    again = reruns.request(feed, house.month, Rerun(reason="once more"), None)
    assert again.name == "209901-2-g2"
