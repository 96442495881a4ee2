"""The states of runs: the transitions that Azure allows, what each records, and its events."""

import asyncio
from typing import Any

import pytest

from tidepool.azureml.run_history import Runs
from tidepool.azureml.run_states import FINAL, TRANSITIONS
from tidepool.default_resources import workspace_id
from tidepool.errors import AzureError
from tidepool.scheduler import Scheduler
from tidepool.store import Store

WS = workspace_id("mlw")
LIVE = sorted(set(TRANSITIONS) - FINAL)


class Topics:
    """The published events, in their order."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    async def publish(self, topic_id: str, events: list[dict[str, Any]]) -> None:
        self.events += events


@pytest.fixture
def topics() -> Topics:
    return Topics()


@pytest.fixture
def runs(topics: Topics) -> Runs:
    return Runs(store=Store(":memory:"), scheduler=Scheduler(), publish=topics.publish, blobs=None)  # type: ignore[arg-type]


def walk(runs: Runs, *states: str) -> None:
    for state in states:
        asyncio.run(runs.move(WS, "job", state))


def test_each_transition_of_a_run_is_published(runs: Runs, topics: Topics) -> None:
    runs.create(WS, {"runId": "job", "experimentName": "e", "tags": {"a": "b"}})

    walk(runs, "Preparing", "Queued", "Running", "Finalizing", "Completed")

    kinds = [event["eventType"].rpartition(".")[2] for event in topics.events]
    assert kinds == ["RunStatusChanged"] * 5 + ["RunCompleted"]
    run = runs.existing(WS, "job")
    assert run["createdUtc"] <= run["startTimeUtc"] <= run["endTimeUtc"]
    assert topics.events[-1]["data"] == {
        "experimentId": run["experimentId"],
        "experimentName": "e",
        "runId": "job",
        "runType": None,
        "runTags": {"a": "b"},
        "runProperties": {},
    }


@pytest.mark.parametrize("state", sorted(FINAL))
def test_no_transition_leaves_a_final_state(runs: Runs, topics: Topics, state: str) -> None:
    runs.create(WS, {"runId": "job"})
    walk(runs, "Running", *(["Finalizing"] if state == "Completed" else []), state)
    published = len(topics.events)

    for other in TRANSITIONS:
        with pytest.raises(ValueError, match="cannot go from"):
            walk(runs, other)

    assert len(topics.events) == published


@pytest.mark.parametrize("state", LIVE)
def test_each_live_state_can_end(state: str) -> None:
    assert TRANSITIONS[state] & FINAL


def test_a_preempted_run_is_queued_again_and_keeps_its_first_start(runs: Runs) -> None:
    runs.create(WS, {"runId": "job"})
    walk(runs, "Queued", "Running")
    started = runs.existing(WS, "job")["startTimeUtc"]

    walk(runs, "Queued", "Running")

    assert runs.existing(WS, "job")["startTimeUtc"] == started


def test_a_child_shares_its_parents_experiment_and_root(runs: Runs) -> None:
    runs.create(WS, {"runId": "job", "experimentName": "e"})
    runs.create(WS, {"runId": "step", "parentRunId": "job"})
    runs.create(WS, {"runId": "part", "parentRunId": "step"})

    assert [run["runId"] for run in runs.children(WS, "job")] == ["step"]
    part = runs.existing(WS, "part")
    assert (part["rootRunId"], part["experimentName"]) == ("job", "e")


def test_patches_merge_and_keep_within_the_limits(runs: Runs) -> None:
    runs.create(WS, {"runId": "job", "tags": {"a": "1"}})

    runs.patch(WS, "job", {"tags": {"b": "2"}, "displayName": "November", "description": None})

    assert runs.existing(WS, "job")["tags"] == {"a": "1", "b": "2"}
    for tags in ({f"t{number}": "" for number in range(50)}, {"long": "x" * 1001}, {"n" * 101: ""}):
        with pytest.raises(AzureError):
            runs.patch(WS, "job", {"tags": tags})
    assert runs.existing(WS, "job")["displayName"] == "November"
