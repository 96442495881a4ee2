"""A dry run says what the handlers then do, and changes nothing."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.api_requests import Api, content
from tests.support.handler_harness import CHECK, MONTH, HandlerHarness
from tests.support.installation import Installation
from tests.support.model_versions import POLICY

from tidegate.api.check_views import FeedCheckView, PartitionCheckView
from tidegate.messages.commands import Reconcile
from tidegate.service.manual_actions.pause import PauseRequest
from tidegate.service.manual_actions.requester import Requester

FILES = {"a.png": "cat", "b.png": "dog", "notes.txt": "x"}
RULES: list[tuple[dict[str, Any], dict[str, str], float]] = [
    ({"complete_when": [{"marker": "_SUCCESS"}]}, {"_SUCCESS": ""}, 0),
    ({"complete_when": [{"listed_in": "files.txt"}]}, {"files.txt": "a.png\nnotes.txt\n"}, 0),
    ({"complete_when": [{"quiet_for": "15m"}]}, {}, 16),
    ({"complete_when": [{"min_files": 2}]}, {"c.png": "ant"}, 0),
    (
        {
            "complete_when": [{"marker": "never"}],
            "starts": "202001",
            "deadline": {"day": 1, "then": "score"},
        },
        {"c.png": "ant"},
        60 * 24 * 366 * 80,
    ),
]
RULE_NAMES = ["marker", "list", "quiet time", "number of files", "deadline"]


def upload(installation: Installation, files: dict[str, str]) -> None:
    installation.upload(MONTH, files, marker=False)


def dry_run(harness: HandlerHarness) -> PartitionCheckView:
    return PartitionCheckView.of(harness.service.dry_runs.partition("stories", MONTH))


def checked(harness: HandlerHarness) -> FeedCheckView:
    return FeedCheckView.of("stories", harness.service.dry_runs.feed("stories"))


@pytest.mark.parametrize(("feed", "completing", "minutes"), RULES, ids=RULE_NAMES)
def test_a_dry_run_says_what_then_happens(
    installation: Installation,
    harness: HandlerHarness,
    feed: dict[str, Any],
    completing: dict[str, str],
    minutes: float,
) -> None:
    installation.hold_jobs()
    installation.configure(**({"only": "*.png"} | feed))
    harness.clock.move(seconds=2)  # the configuration is read once a second
    upload(installation, {"a.png": "cat"})
    before = dry_run(harness)
    harness.do(CHECK)
    assert (before.state, before.version, before.job) == ("waiting", None, None)
    assert harness.partition.versions == []

    upload(installation, FILES | completing)
    if minutes == 16:
        harness.do(CHECK)
    harness.clock.move(minutes=minutes)
    promised = dry_run(harness)
    harness.submit()

    assert promised.state == "complete"
    assert promised.version is not None
    assert promised.job is not None
    version = harness.partition.versions[0]
    assert promised.why == version.reason
    assert promised.version.name == f"{MONTH}-1"
    assert (promised.version.files, promised.version.bytes) == (version.files, version.bytes)
    assert promised.version.manifest_hash == version.manifest_hash
    assert list(installation.jobs()) == [promised.job.name]
    generation = harness.claim.generation
    assert promised.job.model == f"{generation.model_name}:{generation.model_version}"
    assert promised.job.compute == generation.compute
    assert promised.job.pipeline == "quick"
    after = dry_run(harness)
    assert (after.state, after.version, after.job) == ("unchanged", None, None)


def test_a_dry_run_says_until_when_it_waits(installation: Installation, harness: HandlerHarness) -> None:
    installation.configure(complete_when=[{"quiet_for": "15m"}])
    upload(installation, FILES)

    shown = dry_run(harness)
    [wait] = harness.do(CHECK)

    assert shown.until == harness.partition.check_due
    assert wait.delay > timedelta(minutes=14)
    assert shown.why == "waits for 0:15:00 without a change"


def test_a_late_file_is_foretold_as_the_next_version(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.hold_jobs()
    installation.upload(MONTH, FILES)
    harness.submit()
    upload(installation, {"late.png": "bird"})
    waiting = dry_run(harness)
    harness.clock.move(minutes=5)

    promised = dry_run(harness)
    harness.submit()

    assert (waiting.state, waiting.why) == ("waiting", f"changed after {MONTH}-1, and may change again")
    assert promised.version is not None
    assert promised.job is not None
    assert promised.version.name == f"{MONTH}-2"
    assert promised.version.manifest_hash == harness.partition.versions[1].manifest_hash
    assert promised.job.name in installation.jobs()


def test_what_is_left_out_is_counted_and_named(installation: Installation, harness: HandlerHarness) -> None:
    installation.configure(complete_when=[{"listed_in": "files.txt"}], only="*.png")
    upload(installation, {**FILES, "files.txt": "a.png\nz.png\n"})
    installation.images.upload_blob("readme.md", b"")
    installation.images.upload_blob("209913/a.png", b"")

    incomplete = dry_run(harness)
    harness.do(CHECK)
    harness.clock.move(hours=1, minutes=5)  # the files may have been written some seconds after its start
    harness.run(CHECK, CHECK)
    [announced] = [one for one in harness.activities if one.kind == "partition.files_missing"]
    assert "1 listed name has no file: z.png." in announced.text
    upload(installation, {"z.png": "ant"})
    shown = checked(harness)

    assert incomplete.why == "waits for 1 files of files.txt (z.png)"
    assert incomplete.left_out.missing.names == ["z.png"]
    [partition] = shown.partitions
    assert partition.left_out.not_matching.names == ["notes.txt"]
    assert partition.left_out.not_listed.names == ["b.png"]
    assert partition.left_out.missing.count == 0
    assert shown.outside.names == ["209913/a.png", "readme.md"]
    assert shown.jobs == 1


def test_a_job_that_cannot_start_has_a_reason(installation: Installation, harness: HandlerHarness) -> None:
    installation.configure(score={"pipeline": "quick", "model": "no-such-model", "compute": "gpu-lowpri"})
    installation.upload(MONTH, FILES)

    shown = dry_run(harness)

    assert shown.state == "complete"
    assert shown.job is None
    assert "no-such-model" in str(shown.problem)


def test_partitions_before_the_start_are_ignored(installation: Installation, harness: HandlerHarness) -> None:
    installation.upload("209812", FILES)
    installation.upload(MONTH, FILES)

    shown = checked(harness)
    harness.do(CHECK.model_copy(update={"partition": "209812"}))

    assert [(one.partition, one.state) for one in shown.partitions] == [
        (MONTH, "complete"),
        ("209812", "before_start"),
    ]
    assert harness.ledger.partition("stories", "209812").versions == []


@pytest.mark.parametrize(
    ("target", "holds"), [("feed:stories", True), ("all", True), ("model:quick-model", False)]
)
def test_a_dry_run_names_the_pauses(
    installation: Installation, harness: HandlerHarness, target: str, holds: bool
) -> None:
    installation.configure(models={"quick-model": POLICY})
    harness.clock.move(seconds=2)
    installation.upload(MONTH, FILES)
    request = PauseRequest(target=target, reason="wrong camera")
    harness.service.pauses.pause(request, Requester("ada", "caller"))
    api = Api(lambda: harness.service)

    whole = content(api.get("/api/feeds/stories/check"))
    part = content(api.get(f"/api/feeds/stories/partitions/{MONTH}/check"))

    for shown in (whole, part):
        assert [(pause["target"], pause["reason"]) for pause in shown["pauses"]] == [(target, "wrong camera")]
    for shown in (whole["partitions"][0], part):
        waits = f"waits until {target} is resumed" if holds else None
        assert (shown["state"], shown["job"] is None, shown["waits"]) == ("complete", holds, waits)
    assert whole["jobs"] == (0 if holds else 1)
    starts = f"0 jobs start now; 1 start when {target} is resumed" if holds else "1 jobs start now"
    assert harness.service.dry_runs.feed("stories").starts == starts


def test_a_dry_run_changes_nothing(installation: Installation, harness: HandlerHarness) -> None:
    installation.configure(complete_when=[{"marker": "_SUCCESS"}, {"listed_in": "files.txt"}])
    installation.upload(MONTH, {**FILES, "files.txt": "a.png"})
    installation.upload("209902", FILES, marker=False)
    before = installation.cloud.last_request

    dry_run(harness)
    checked(harness)

    sent = installation.cloud.find_requests(after=before)
    assert sent
    changing = [request for request in sent if request["method"] not in ("GET", "HEAD")]
    # The SDKs send these to read: an access token, and the list of a datastore's secrets.
    reads = ("login.microsoftonline.com", "/listsecrets")
    assert [
        one for one in changing if not any(part in f"{one['host']}{one['path']}".lower() for part in reads)
    ] == []
    assert harness.ledger.partitions("stories") == []
    assert list(installation.ml.data.list(name="stories")) == []
    assert installation.jobs() == {}
    assert installation.notifications() == []
    assert [step.command for step in harness.do(Reconcile(cause="timer"))] == []
