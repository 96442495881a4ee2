"""Promotion against real storage and workspaces: once, whole, one at a time, and back."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.api_requests import Api, content
from tests.support.promotions import MODEL, POLICY, Promotions

from tidegate.domain.lifecycle.records import ModelSource, ModelState
from tidegate.domain.lifecycle.verdict_records import Approval
from tidegate.messages.commands import JudgeModel
from tidepool.cloud import Tidepool


@pytest.fixture
def production(tidepool: Tidepool, promotions: Promotions) -> Iterator[str]:
    """The storage account of production, whose copies may misbehave."""
    yield promotions.production_ml.datastores.get("workspaceblobstore").account_name
    tidepool.clear_faults()


def test_an_approved_version_becomes_champion_with_its_files_and_lineage(
    promotions: Promotions, tmp_path: Path
) -> None:
    tags = {"team": "vision"}
    source = {"run": "train-1", "data": {"images": "digits:202609-1"}, "tags": tags}
    promotions.version("7", tags=tags, source=ModelSource.model_validate(source))

    promotions.promote("7")

    assert promotions.champions == ("7", None, None)
    assert promotions.states == {"7": "champion"}
    copy = promotions.production_ml.models.get(MODEL, "7")
    assert copy.type == "mlflow_model"
    expected = {
        "tidegate_source_workspace": promotions.development.name,
        "tidegate_source_version": "7",
        "tidegate_run": "train-1",
        "tidegate_training_data": "images: digits:202609-1",
        "tidegate_evaluation_data": "holdout:4",
        "tidegate_verdict_id": "e1-7",
        "tidegate_approved_by": "ada",
        "team": "vision",
    }
    assert {name: copy.tags.get(name) for name in expected} == expected
    promotions.production_ml.models.download(MODEL, "7", download_path=tmp_path / "back")
    [weights] = (tmp_path / "back").rglob("weights.bin")
    assert weights.read_bytes() == b"weights of 7"
    record = promotions.record("7").promotion
    assert record is not None
    assert (record.files, record.bytes, record.copied_bytes, record.without_md5) == (2, 65, 65, 0)
    assert record.lineage.tags == {"team": "vision"}

    api = Api(lambda: promotions.service)
    for tag, versions in (("team=vision", ["7"]), ("team=sound", [])):
        assert [row["name"] for row in content(api.get(f"/api/models?tag={tag}"))] == [MODEL][: len(versions)]
        shown = content(api.get(f"/api/models/{MODEL}?tag={tag}"))["versions"]
        assert [version["version"] for version in shown] == versions
    explained = content(api.get(f"/api/explain/{MODEL}"))
    nodes = {node["kind"]: node for node in explained["nodes"]}
    assert explained["about"] == nodes["champion"]["id"]
    assert nodes["run"]["facts"] == {"run": "train-1", "data": "images: digits:202609-1"}
    assert nodes["verdict"]["facts"]["id"] == "e1-7"
    assert (nodes["approval"]["by"], nodes["approval"]["facts"]["reason"]) == ("ada", "looks right")
    path = [f"{kind} {MODEL}:7" for kind in ("run", "model", "verdict", "approval", "promotion")]
    steps = {(edge["source"], edge["target"]) for edge in explained["edges"]}
    assert set(pairwise([*path, nodes["champion"]["id"]])) <= steps


def test_files_that_changed_since_they_were_judged_are_judged_again_and_not_promoted(
    promotions: Promotions,
) -> None:
    promotions.version("7")
    promotions.overwrite("7", b"other weights, in the same place")

    follows = promotions.promote("7")

    assert [command for command in follows if isinstance(command, JudgeModel)] == [
        JudgeModel(cause="test", model=MODEL, version="7")
    ]
    again = promotions.record("7")
    assert (again.state, again.verdict, again.approval) == (ModelState.REGISTERED, None, None)
    assert [past.why for past in again.history] == ["the files are not the files that were judged"]
    assert promotions.in_production() == {}
    assert promotions.champions == (None, None, None)


def test_a_version_in_production_is_never_given_other_files(promotions: Promotions) -> None:
    promotions.version("7")
    promotions.promote("7")
    uri = promotions.production_ml.models.get(MODEL, "7").path
    promotions.overwrite("7", b"other weights, in the same place")
    model, record = promotions.model, promotions.record("7")
    model.champion = None
    promotions.service.ledger.save(model)
    record.state, record.promotion = ModelState.PASSED, None
    record.verdict = promotions.verdict("7")
    record.approval = promotions.approval(record)
    promotions.service.ledger.save(record)

    promotions.promote("7")

    assert promotions.states == {"7": "failed"}
    assert "has classifier:7 with other files: register these as a new version" in (
        promotions.record("7").error or ""
    )
    assert promotions.production_ml.models.get(MODEL, "7").path == uri


def test_promoting_twice_registers_and_tells_once(promotions: Promotions) -> None:
    promotions.version("7")

    promotions.promote("7")
    once = promotions.activity_titles()
    promotions.promote("7")

    assert promotions.activity_titles() == once == [f"model.promoted: {MODEL}:7 is champion"]
    assert list(promotions.in_production()) == ["7"]


def test_it_waits_for_approval_and_says_what_a_person_needs(promotions: Promotions) -> None:
    record = promotions.version("7", approved=False)

    promotions.promote("7")
    promotions.promote("7")

    assert promotions.states == {"7": "passed"}
    [asked] = promotions.activities()
    assert asked.kind == "model.needs_approval"
    assert all(word in asked.text for word in ("holdout:4", "e1-7", "no champion yet", "2026-11-24 02:10"))
    record = promotions.record("7")
    record.approval = promotions.approval(record)
    promotions.service.ledger.save(record)
    promotions.promote("7")
    assert promotions.states == {"7": "champion"}


def test_an_approval_that_comes_too_late_promotes_nothing(promotions: Promotions) -> None:
    record = promotions.version("7", approved=False)
    promotions.promote("7")

    promotions.clock.move(days=3, seconds=1)
    record = promotions.record("7")
    record.approval = promotions.approval(record)
    promotions.service.ledger.save(record)
    promotions.promote("7")

    assert promotions.states == {"7": "expired"}
    assert "after the time for approval ended" in (promotions.record("7").error or "")
    assert promotions.in_production() == {}


def test_a_refusal_by_a_person_is_final(promotions: Promotions) -> None:
    record = promotions.version("7", approved=False)
    record.approval = Approval(
        verdict="e1-7", approved=False, by="ada", reason="ask legal first", at=promotions.clock()
    )
    promotions.service.ledger.save(record)

    promotions.promote("7")

    assert promotions.states == {"7": "refused"}
    assert promotions.record("7").error == "ada refused it: ask legal first"


def test_a_gate_that_observes_by_now_promotes_nothing_that_passed_before(promotions: Promotions) -> None:
    promotions.version("7")
    promotions.configure(gate={**POLICY["gate"], "mode": "observe"})
    promotions.service = promotions.start()

    promotions.promote("7")

    assert promotions.states == {"7": "passed"}
    assert promotions.champions == (None, None, None)


def test_of_two_candidates_the_second_is_judged_again(promotions: Promotions) -> None:
    promotions.version("7")
    promotions.version("8")

    follows = promotions.promote("7")

    assert promotions.champions == ("7", None, None)
    assert [command for command in follows if isinstance(command, JudgeModel)] == [
        JudgeModel(cause="test", model=MODEL, version="8")
    ]
    again = promotions.record("8")
    assert (again.state, again.verdict, again.approval) == (ModelState.REGISTERED, None, None)


def test_a_promotion_waits_while_another_version_is_on_its_way(promotions: Promotions) -> None:
    promotions.version("7")
    promotions.version("8")
    model = promotions.model
    model.rolling = "7"
    promotions.service.ledger.save(model)

    promotions.promote("8")

    assert promotions.states == {"7": "passed", "8": "passed"}
    assert promotions.champions == (None, None, "7")
    assert promotions.in_production() == {}


def test_sixty_tags_become_fifty_and_stay_sixty_in_the_ledger(promotions: Promotions) -> None:
    tags = {f"note{number:02}": str(number) for number in range(60)}
    promotions.version("7", tags=tags)

    promotions.promote("7")

    [kept] = promotions.in_production().values()
    assert len(kept) == 50
    assert kept["tidegate_source_version"] == "7"
    assert int(kept["tidegate_tags_left_out"]) == 60 - len(kept.keys() & tags.keys())
    promotion = promotions.record("7").promotion
    assert promotion is not None
    assert promotion.lineage.tags == tags


def test_a_copy_that_takes_its_time_is_looked_at_by_message(
    tidepool: Tidepool, promotions: Promotions, production: str
) -> None:
    promotions.version("7")
    tidepool.fault("copy", "pending", match={"account": production}, value=18000)

    promotions.promote("7", follow=False)

    assert promotions.states == {"7": "promoting"}
    under_way = promotions.record("7").promotion
    assert under_way is not None
    assert under_way.copied_bytes < under_way.bytes == 65
    assert promotions.in_production() == {}
    assert [command.kind for command in promotions.waiting] == ["PromoteModel"]
    promotions.clock.move(days=1)
    for command in promotions.waiting * 2:
        promotions.carry_out(command)
    [stuck] = [activity for activity in promotions.activities() if activity.kind == "model.stuck"]
    assert "No other version of the model can be promoted in the meantime" in stuck.text
    tidepool.advance(18000)
    promotions.promote("7")
    assert promotions.champions == ("7", None, None)


def test_a_copy_that_fails_is_begun_again(
    tidepool: Tidepool, promotions: Promotions, production: str
) -> None:
    promotions.version("7")
    tidepool.fault("copy", "fail", match={"account": production})

    promotions.promote("7", follow=False)
    assert promotions.states == {"7": "promoting"}
    promotions.promote("7")

    assert promotions.champions == ("7", None, None)


def test_a_version_that_production_has_from_elsewhere_is_not_taken_over(promotions: Promotions) -> None:
    from azure.ai.ml.entities import Model

    promotions.version("7")
    (promotions.folder / "other").mkdir()
    (promotions.folder / "other/MLmodel").write_text("other")
    promotions.production_ml.models.create_or_update(
        Model(name=MODEL, version="7", path=promotions.folder / "other", type="mlflow_model")
    )

    promotions.promote("7")

    assert promotions.states == {"7": "failed"}
    assert "not a copy of it" in (promotions.record("7").error or "")
    assert promotions.champions == (None, None, None)


def test_a_rollback_makes_the_previous_champion_champion_once(promotions: Promotions) -> None:
    for version in ("7", "8"):
        promotions.version(version)
        promotions.promote(version)
    assert promotions.champions == ("8", "7", None)

    promotions.clock.move(hours=1)
    promotions.rollback("7")
    promotions.rollback("7")

    assert promotions.champions == ("7", None, None)
    assert promotions.states == {"7": "champion", "8": "rolled_back"}
    assert promotions.activity_titles()[-1:] == [f"model.rolled_back: {MODEL}:7 is champion again"]
    assert len(promotions.activity_titles()) == 3


def test_a_rollback_to_what_never_was_champion_is_told_and_changes_nothing(promotions: Promotions) -> None:
    promotions.version("7")
    promotions.promote("7")

    promotions.rollback("3")

    assert promotions.champions == ("7", None, None)
    failed = promotions.activities()[-1]
    assert failed.kind == "work.failed"
    assert "classifier:3 was not champion before" in failed.text


def test_a_place_that_nobody_holds_any_longer_is_free_again(promotions: Promotions) -> None:
    """Its holder was judged again just when it claimed its place."""
    holder = promotions.version("7")
    holder.state = ModelState.REFUSED
    promotions.service.ledger.save(holder)
    model = promotions.model
    model.rolling = "7"
    promotions.service.ledger.save(model)
    promotions.version("8")

    promotions.promote("8")

    assert promotions.champions == ("8", None, None)


def test_a_rollback_while_another_is_on_its_way_has_that_judged_again(promotions: Promotions) -> None:
    for version in ("7", "8"):
        promotions.version(version)
        promotions.promote(version)
    record = promotions.version("9")
    model = promotions.model
    model.rolling = "9"
    promotions.service.ledger.save(model)
    record.state = ModelState.PROMOTING
    promotions.service.ledger.save(record)

    promotions.rollback("7")
    follows = promotions.promote("9")

    assert follows == [JudgeModel(cause="test", model=MODEL, version="9")]
    assert promotions.champions == ("7", None, None)
    assert promotions.states["9"] == "registered"
