"""Which results count, and what people are told of them."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.records import NOW, a_claim

from tidegate.config.activity_kinds import KINDS
from tidegate.domain.activities.notification_channels import event_id
from tidegate.domain.activities.scoring_texts import generation_ended
from tidegate.domain.partitions.records import Claim, PartitionVersion, ScoringState
from tidegate.domain.partitions.result import Reconciliation, current_result, decide_result


def published(**changes: Any) -> Reconciliation:
    fields: dict[str, Any] = {
        "partition": "202611",
        "version": "202611-1",
        "generation": "1",
        "verdict": "ok",
        "files": 3,
        "rows": 3,
        "errors": 1,
        "error_rate": 1 / 3,
        "max_error_rate": 0.5,
        "worst_errors": [{"error": "not an image", "count": 1, "images": ["a.png"]}],
        "torn": 0,
    }
    return Reconciliation.model_validate({**fields, **changes})


def with_newer_version(claim: Claim) -> Claim:
    newer: PartitionVersion = claim.version.model_copy(update={"number": 2, "generations": []})
    claim.record.versions.append(newer)
    return claim


def test_a_reconciled_result_counts() -> None:
    assert decide_result(published(), a_claim(), []).counts


@pytest.mark.parametrize(
    ("outcome", "state", "told"),
    [
        (
            {"verdict": "incomplete", "missing": 1, "missing_names": ["b.png"]},
            ScoringState.INCOMPLETE,
            "b.png",
        ),
        (
            {"verdict": "incomplete", "doubled": 9, "doubled_names": list("abcdefghi")},
            ScoringState.INCOMPLETE,
            "...",
        ),
        ({"verdict": "too_many_errors"}, ScoringState.FAILED, "33.33% of the files are broken"),
        ({"files": 2}, ScoringState.FAILED, "2 files of 202611-1; 202611-1 has 3"),
        ({"version": "202611-2"}, ScoringState.FAILED, "202611-2"),
    ],
)
def test_other_results_do_not(outcome: dict[str, Any], state: ScoringState, told: str) -> None:
    result = decide_result(published(**outcome), a_claim(), [])

    assert result.state is state
    assert told in (result.why or "")
    assert not result.counts


def test_a_result_is_superseded_by_changed_files_and_by_a_newer_version() -> None:
    changed = decide_result(published(), a_claim(), ["b.png"])
    newer = decide_result(published(verdict="incomplete"), with_newer_version(a_claim()), [])

    assert (changed.state, newer.state) == (ScoringState.SUPERSEDED, ScoringState.SUPERSEDED)
    assert "b.png" in (changed.why or "")
    assert "202611-2" in (newer.why or "")


def test_a_version_that_was_there_when_a_person_chose_an_older_one_supersedes_nothing() -> None:
    chosen = with_newer_version(a_claim(claimed_at=NOW + timedelta(days=30)))

    assert decide_result(published(), chosen, []).state is ScoringState.SCORED


@pytest.mark.parametrize(
    ("before", "version", "generation", "after"),
    [
        (None, 1, 1, "202611-1-g1"),
        ("202611-1-g1", 1, 2, "202611-1-g2"),
        ("202611-2-g1", 1, 9, "202611-2-g1"),
        ("202611-9-g1", 10, 1, "202611-10-g1"),
    ],
)
def test_the_highest_reconciled_version_is_current(
    before: str | None, version: int, generation: int, after: str
) -> None:
    claim = a_claim(version=version, number=generation)
    claim.record.result = before

    assert current_result(claim) == after


def test_people_read_counts_the_worst_errors_and_where_the_csv_is() -> None:
    outcome = published().outcome("https://store/predictions.csv")
    claim = a_claim(
        state=ScoringState.SCORED, outcome=outcome, ended_at=NOW, job="score-digits-202611-1-g1-a1"
    )

    activity = generation_ended(claim, "event-1")

    assert activity.title == "digits 202611-1-g1 is scored"
    assert "3 files, 3 rows, 1 errors (33.33%, at most 50.00%)." in activity.text
    assert "- 1 x not an image: a.png" in activity.text
    assert "CSV: https://store/predictions.csv" in activity.text
    assert activity.data["model"] == "classifier:7"


@pytest.mark.parametrize("state", [state for state in ScoringState if state.final])
def test_every_end_is_an_activity_that_says_the_same_each_time(state: ScoringState) -> None:
    claim = a_claim(state=state, ended_at=NOW, error=None if state is ScoringState.SCORED else "why")

    first, again = generation_ended(claim, "event-1"), generation_ended(claim, "event-1")

    assert first == again
    assert first.kind in KINDS
    assert event_id(first) == event_id(again)
