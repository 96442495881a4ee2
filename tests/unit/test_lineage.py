"""What a copy in production says of where it comes from, within Azure's limits."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.domain.lifecycle.lineage import RegisteredModel, is_copy_of, lineage_of, lineage_tags
from tidegate.domain.lifecycle.names import version_order
from tidegate.domain.lifecycle.records import ModelState, ModelVersion
from tidegate.domain.lifecycle.verdict_records import Approval, Verdict

NOW = datetime(2026, 11, 21, 2, 10, tzinfo=UTC)


def _version(**changes: Any) -> ModelVersion:
    verdict = Verdict(
        id="v", passed=True, mode="enforce", rules=[], data="holdout:4", champion="5", job="judge", at=NOW
    )
    given = {"model": "m", "version": "7", "state": ModelState.PASSED, "registered_at": NOW}
    return ModelVersion.model_validate({**given, "verdict": verdict, **changes})


def _model(tags: dict[str, str] | None = None) -> RegisteredModel:
    return RegisteredModel(name="m", version="7", uri="azureml://x", type="mlflow_model", tags=tags or {})


def test_the_source_the_verdict_and_the_approver_are_said() -> None:
    approval = Approval(verdict="v", approved=True, by="ada", reason="looks right", at=NOW)
    record = _version(approval=approval, source={"run": "train", "data": {"b": "b:2", "a": "a:1"}})

    tags = lineage_tags(lineage_of(record, _model(), "mlw-dev"))

    assert tags["tidegate_source_workspace"] == "mlw-dev"
    assert tags["tidegate_training_data"] == "a: a:1, b: b:2"
    assert (tags["tidegate_verdict"], tags["tidegate_verdict_champion"]) == ("passed", "5")
    assert (tags["tidegate_approved_by"], tags["tidegate_approval_reason"]) == ("ada", "looks right")


def test_what_a_run_that_is_no_job_was_trained_on_is_said_by_its_tag_or_unknown() -> None:
    told = _model({"tidegate_training_data": "digits:202611-1"})

    assert lineage_of(_version(), told, "mlw-dev").training_data == "digits:202611-1"
    assert lineage_of(_version(), _model(), "mlw-dev").training_data == "unknown"


def test_an_approval_of_another_verdict_is_nobodys() -> None:
    approval = Approval(verdict="before", approved=True, by="ada", reason="looks right", at=NOW)

    assert (
        lineage_of(_version(approval=approval), _model(), "mlw-dev").approved_by == "no approval was required"
    )


@pytest.mark.parametrize("count", [0, 10, 34, 35, 36, 60, 1000])
def test_there_are_never_more_than_fifty_tags_and_none_is_lost_silently(count: int) -> None:
    theirs = {f"note{number:04}": str(number) for number in range(count)}

    whole = lineage_of(_version(), _model(theirs), "mlw-dev")
    tags = lineage_tags(whole)

    kept = tags.keys() & theirs.keys()
    assert len(tags) <= 50
    assert int(tags.get("tidegate_tags_left_out", 0)) == count - len(kept)
    assert whole.tags == theirs


def test_what_is_too_long_is_cut_and_says_so() -> None:
    tags = lineage_tags(lineage_of(_version(), _model({"note": "x" * 3000}), "mlw-dev"))

    assert len(tags["note"]) == 1000
    assert tags["note"].endswith("…")


def test_tags_of_the_source_do_not_pass_for_ours() -> None:
    tags = lineage_tags(lineage_of(_version(), _model({"tidegate_approved_by": "me"}), "mlw-dev"))

    assert tags["tidegate_approved_by"] == "no approval was required"


def test_a_copy_is_known_by_its_source() -> None:
    whole = lineage_of(_version(), _model(), "mlw-dev")

    assert is_copy_of(_model(lineage_tags(whole)), whole)
    assert not is_copy_of(_model(), whole)
    assert not is_copy_of(_model(lineage_tags(whole.model_copy(update={"source_workspace": "other"}))), whole)


def test_versions_are_in_the_order_in_which_people_count() -> None:
    counted = ["1", "2", "9", "9.1", "10", "10.1", "10.2-rc", "2026.1.9", "2026.1.10", "beta"]

    assert sorted(sorted(counted), key=version_order) == counted
