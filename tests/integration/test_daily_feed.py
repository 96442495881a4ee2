"""A daily feed: days of 23 and 25 hours, deadlines of the next day, and training on the newest days."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.drift import DriftInstallation
from tests.support.handler_harness import FEED, HandlerHarness, commands
from tests.support.installation import Installation
from tests.support.model_versions import MODEL
from tests.support.records import a_claim

from tidegate.domain.partitions.names import drift_path
from tidegate.domain.partitions.records import Partition
from tidegate.messages.commands import CheckPartition, Reconcile, RetrainModel, WeighDrift
from tidepool.cloud import Tidepool

DAILY: dict[str, Any] = {
    "path": "{yyyy}/{MM}/{dd}/",
    "deadline": {"of": "next_day", "at": "06:00"},
    "complete_when": [{"min_files": 24}],
}


def check(day: str) -> CheckPartition:
    return CheckPartition(cause="test", feed=FEED, partition=day)


def folder(day: str) -> str:
    return f"{day[:4]}/{day[4:6]}/{day[6:]}"


def kinds(harness: HandlerHarness, day: str) -> list[str]:
    return [activity.kind for activity in harness.ledger.activities(f"{FEED}:{day}")]


def hourly(day: datetime, hours: int, zone: str) -> dict[str, str]:
    """Return a file for each of the first hours of a day: 20261101T0100-0400.png."""
    from zoneinfo import ZoneInfo

    starts = day.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    times = [(starts + timedelta(hours=hour)).astimezone(ZoneInfo(zone)) for hour in range(hours)]
    return {f"{time:%Y%m%dT%H%M%z}.png": "cat" for time in times}


def test_a_day_of_25_hours_has_25_rows(installation: Installation, harness: HandlerHarness) -> None:
    installation.configure(**DAILY, starts=20261101, timezone="America/New_York")
    harness.clock.now = datetime(2026, 11, 2, 5, 0, tzinfo=UTC)
    files = hourly(datetime(2026, 11, 1), 25, "America/New_York")
    assert {"20261101T0100-0400.png", "20261101T0100-0500.png"} < files.keys()
    installation.upload(folder("20261101"), files, marker=False)

    harness.run(check("20261101"))

    [claim] = harness.ledger.partition(FEED, "20261101").claims
    outcome = claim.generation.outcome
    assert outcome is not None
    assert (claim.generation.state.value, claim.version.files, outcome.rows) == ("scored", 25, 25)


def test_a_day_of_23_hours_is_late_and_the_notification_has_both_numbers(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.configure(**DAILY, starts=20261004, timezone="Australia/Sydney")
    harness.clock.now = datetime(2026, 10, 4, 18, 59, tzinfo=UTC)
    files = hourly(datetime(2026, 10, 4), 23, "Australia/Sydney")
    assert list(files)[-1] == "20261004T2300+1100.png"
    installation.upload(folder("20261004"), files, marker=False)
    harness.run(check("20261004"))
    assert kinds(harness, "20261004") == []

    harness.clock.move(minutes=1)
    harness.run(check("20261004"), check("20261004"))

    [late] = harness.ledger.activities(f"{FEED}:20261004")
    assert late.kind == "partition.late"
    assert "So far 23 files have arrived. It waits for 24 files (23 have arrived)." in late.text
    assert "This day was due on 2026-10-05 06:00 AEDT" in late.text


def test_each_day_without_files_is_late_once_at_its_own_time(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.configure(**DAILY, starts=20261030, timezone="America/New_York")
    late: dict[str, list[str]] = {}

    for time in ("2026-10-31T09:59", "2026-10-31T10:00", "2026-11-01T10:59", "2026-11-01T11:00"):
        harness.clock.now = datetime.fromisoformat(f"{time}+00:00")
        harness.run(Reconcile(cause="timer-1"), Reconcile(cause="timer-2"))
        late[time] = [day for day in ("20261030", "20261031", "20261101") for _ in kinds(harness, day)]

    assert late == {
        "2026-10-31T09:59": [],
        "2026-10-31T10:00": ["20261030"],
        "2026-11-01T10:59": ["20261030"],
        "2026-11-01T11:00": ["20261030", "20261031"],
    }


def test_drift_of_a_day_trains_on_the_newest_six_days(tidepool: Tidepool, tmp_path: Path) -> None:
    installation = DriftInstallation(
        tidepool, tmp_path, drift={"partitions": 6}, path="{yyyy}/{MM}/{dd}/", starts=20261101
    )
    service = installation.service()
    days = [f"202611{number:02}" for number in range(1, 8)]
    for day in days:
        claim = a_claim(FEED)
        result = f"{day}-1-g1"
        service.ledger.save(Partition(feed=FEED, partition=day, versions=[claim.version], result=result))
    measured = {"measured": True, "breached": True, "share_drifted": 1.0}
    installation.blobstore.upload_blob(drift_path(FEED, days[-1], 1, 1), json.dumps(measured))

    weigh = WeighDrift(cause="test", model=MODEL, source="measurement", of=f"{FEED}:{days[-1]}-1-g1")
    follows = commands(list(service.handlers[WeighDrift](weigh)))

    signal = f"measurement-{FEED}-20261107-1-g1"
    assert follows == [RetrainModel(cause="test", model=MODEL, signal=signal)]
    retraining = service.ledger.model(MODEL).retraining
    assert retraining is not None
    assert retraining.data == [f"{FEED}:{day}-1" for day in days[1:]]
