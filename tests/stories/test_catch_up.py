"""A feed is installed on a container with old months: the whole service catches up without a flood."""

from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support.installation import Installation, Running
from tidepool.cloud import Tidepool

MONTHS = [f"2024{number:02}" for number in range(1, 13)] + [f"2025{number:02}" for number in range(1, 13)]
FILES = {"a.png": "cat", "b.png": "dog"}


def installed_on(tidepool: Tidepool, folder: Path, months: list[str], start: str) -> Installation:
    """Return an installation whose container had these complete months before."""
    catch_up = {"from": start, "max_live": 2}
    installation = Installation(tidepool, folder, starts=months[0], catch_up=catch_up)
    for partition in months:
        installation.upload(partition, FILES)
    tidepool.settle()
    return installation


def scorings(running: Running, months: list[str]) -> list[dict[str, Any]]:
    return [
        scoring
        for partition in months
        for scoring in running.get(f"/api/feeds/stories/partitions/{partition}/jobs")
    ]


def most_at_once(scorings: list[dict[str, Any]]) -> int:
    """Return how many scorings were live at the same time, from the claim to the end of each."""
    begins = [(datetime.fromisoformat(scoring["claimed_at"]), 1) for scoring in scorings]
    ends = [(datetime.fromisoformat(scoring["ended_at"]), -1) for scoring in scorings]
    live = most = 0
    for _, change in sorted(begins + ends):
        live += change
        most = max(most, live)
    return most


def test_of_24_old_months_only_the_newest_starts_a_job(tidepool: Tidepool, tmp_path: Path) -> None:
    installation = installed_on(tidepool, tmp_path, MONTHS, "newest")

    with installation.start() as running:
        running.reconcile()
        running.drive(MONTHS[-1])
        running.reconcile()
        shown = {
            partition["partition"]: partition["state"]
            for partition in running.get("/api/feeds/stories/partitions")
        }

    assert list(installation.jobs()) == [f"score-stories-{MONTHS[-1]}-1-g1-a1"]
    assert {partition: shown[partition] for partition in MONTHS} == {
        **dict.fromkeys(MONTHS[:-1], "not_scored"),
        MONTHS[-1]: "scored",
    }


def test_with_all_six_old_months_are_scored_at_most_two_at_a_time_and_oldest_first(
    tidepool: Tidepool, tmp_path: Path
) -> None:
    months = MONTHS[:6]
    installation = installed_on(tidepool, tmp_path, months, "all")

    with installation.start() as running:
        running.reconcile()
        for partition in months:
            running.drive(partition)
        ended = scorings(running, months)

    assert [scoring["state"] for scoring in ended] == ["scored"] * 6
    assert most_at_once(ended) == 2
    first_two = sorted(ended, key=lambda scoring: scoring["claimed_at"])[:2]
    assert {scoring["partition"] for scoring in first_two} == set(months[:2])
