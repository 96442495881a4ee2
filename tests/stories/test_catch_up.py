"""A feed is installed on a container with old months: the whole service catches up without a flood."""

from pathlib import Path

import pytest

from tests.support.installation import Installation
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


@pytest.mark.long
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


@pytest.mark.long
@pytest.mark.timeout(600)
def test_with_all_old_months_are_scored_at_most_two_at_a_time_and_oldest_first(
    tidepool: Tidepool, tmp_path: Path
) -> None:
    installation = installed_on(tidepool, tmp_path, MONTHS, "all")

    with installation.start() as running:
        running.site.fire_timer("reconcile")
        running.settle(timeout_s=500)
        running.drive(MONTHS[-1])
        jobs = running.get("/api/jobs?all=true&kind=scoring")
        most = running.most_jobs_at_once()

    assert installation.jobs() == {f"score-stories-{month}-1-g1-a1": "Completed" for month in MONTHS}
    assert most == 2
    submitted = sorted(jobs, key=lambda job: job["submitted_at"])
    assert {job["subject"] for job in submitted[:2]} == {f"stories:{month}-1-g1" for month in MONTHS[:2]}
