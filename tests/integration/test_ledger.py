"""The ledger, the queue and the feeds on real storage."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.azure_clients import container_client, table_service
from tests.support.records import a_job

from tidegate.bootstrap import Service
from tidegate.config.schema import FeedStorage
from tidegate.domain.activities.activity import Activity
from tidegate.domain.jobs.records import Job, JobEnd
from tidegate.domain.partitions.list_files import decode_list
from tidegate.domain.partitions.records import PartitionVersion
from tidegate.errors import ConflictError, NotFoundError, PermanentError
from tidepool.cloud import StorageAccount

NOW = datetime(2026, 11, 21, 2, 10, tzinfo=UTC)


def _job(name: str, *, final: bool = False) -> Job:
    return a_job(name=name, end=JobEnd.COMPLETED if final else None)


def _activity(subject: str, id: str, *, done: bool = False) -> Activity:
    text = {"kind": "partition.scored", "title": "t", "text": "t", "cause": "c"}
    return Activity(subject=subject, id=id, at=NOW, done=done, **text)


def test_a_month_is_fresh_until_it_was_saved(service: Service) -> None:
    partition = service.ledger.partition("digits", "202611")
    assert partition.etag is None
    partition.result = "202611-1-g1"

    service.ledger.save(partition)

    again = service.ledger.partition("digits", "202611")
    assert again == partition
    assert again.etag == partition.etag is not None
    assert [partition.partition for partition in service.ledger.partitions("digits")] == ["202611"]


def test_partitions_are_read_newest_first_over_gaps_and_into_the_future(service: Service) -> None:
    months = ["202601", "202602", "202609", "202610", "203001"]
    for month in months:
        service.ledger.save(service.ledger.partition("digits", month))

    def newest(*arguments: Any) -> list[str]:
        return [record.partition for record in service.overviews.newest("digits", *arguments)]

    assert newest(3) == ["203001", "202610", "202609"]
    assert newest(2, "202609") == ["202602", "202601"]  # none is in the months just before
    assert newest(9, "not a month") == months[::-1]
    assert newest(9, "0") == []
    assert newest(2, "203001", {"202601", "202609"}) == ["202609", "202601"]


def test_who_read_before_somebody_wrote_may_not_write(service: Service) -> None:
    first, second = (service.ledger.partition("digits", "202611") for _ in range(2))
    service.ledger.save(first)
    with pytest.raises(ConflictError):
        service.ledger.save(second)

    second = service.ledger.partition("digits", "202611")
    first.deadline_announced = True
    service.ledger.save(first)
    with pytest.raises(ConflictError):
        service.ledger.save(second)

    assert service.ledger.partition("digits", "202611").deadline_announced


def test_a_record_of_many_chunks_survives_and_may_shrink(service: Service) -> None:
    partition = service.ledger.partition("digits", "202611")
    partition.late_announced = [f"写真-{number:06}" * 4 for number in range(4000)]
    service.ledger.save(partition)
    assert service.ledger.partition("digits", "202611").late_announced == partition.late_announced

    partition.late_announced = []
    service.ledger.save(partition)

    assert service.ledger.partition("digits", "202611").late_announced == []


def test_versions_come_back_as_they_were(service: Service) -> None:
    partition = service.ledger.partition("digits", "202611")
    counts = {"files": 3, "bytes": 4, "reason": "marker", "snapshot_at": NOW}
    partition.versions = [PartitionVersion(number=1, manifest_hash="h", manifest_path="p", **counts)]
    service.ledger.save(partition)

    assert service.ledger.partition("digits", "202611").versions == partition.versions


def test_open_jobs_are_found_without_the_finished(service: Service) -> None:
    for job in (_job("score-a"), _job("score-b", final=True)):
        service.ledger.save(job)

    assert [job.name for job in service.ledger.jobs()] == ["score-a"]
    assert len(service.ledger.jobs(open_only=False)) == 2
    assert service.ledger.job("development", "score-b")
    assert service.ledger.job("development", "score-c") is None


def test_an_activity_happens_once(service: Service) -> None:
    assert service.ledger.add_activity(_activity("digits:202611", "scored-1"))
    assert not service.ledger.add_activity(_activity("digits:202611", "scored-1"))

    assert len(service.ledger.activities("digits:202611")) == 1


def test_open_activities_of_an_earlier_release_are_found_once(
    service: Service, storage_account: StorageAccount
) -> None:
    for id, done in (("sent", True), ("unsent", False)):
        service.ledger.add_activity(_activity("digits:202611", id, done=done))
    _empty_open_activities(storage_account)  # an earlier release had no such table
    assert service.ledger.unsent_activities() == []

    service.ledger.add_open_of_earlier_releases()

    [unsent] = service.ledger.unsent_activities()
    assert unsent.id == "unsent"
    service.ledger.forget_unsent(unsent)
    service.ledger.add_open_of_earlier_releases()
    assert service.ledger.unsent_activities() == []


def _empty_open_activities(storage_account: StorageAccount) -> None:
    table = table_service(storage_account.name).get_table_client("tidegateOpenActivities")
    for row in list(table.list_entities()):
        table.delete_entity(row)


def test_an_activity_whose_worker_died_before_it_was_listed_is_listed_by_the_next(
    service: Service, storage_account: StorageAccount
) -> None:
    service.ledger.add_activity(_activity("digits:202611", "scored-1"))
    _empty_open_activities(storage_account)

    assert not service.ledger.add_activity(_activity("digits:202611", "scored-1"))

    assert [activity.id for activity in service.ledger.unsent_activities()] == ["scored-1"]


@pytest.mark.parametrize("subject", ["a/b", "a\\b#?", "rejected:event x %2e\t", "月", "a'b"])
def test_a_subject_may_have_any_characters(service: Service, subject: str) -> None:
    service.ledger.add_activity(_activity(subject, subject, done=True))

    assert [activity.subject for activity in service.ledger.activities(subject)] == [subject]
    assert service.ledger.activity(subject, subject)
    assert service.ledger.unsent_activities() == []


def test_an_empty_ledger_has_nothing(service: Service) -> None:
    assert service.ledger.partitions("digits") == []
    assert service.ledger.jobs() == []
    assert service.ledger.activities("digits:202611") == []


def test_making_what_is_there_changes_nothing(service: Service) -> None:
    assert [service.ledger.create(), service.queue.create(), service.rejected.create()] == [True] * 3
    assert [service.ledger.create(), service.queue.create(), service.rejected.create()] == [False] * 3


def test_a_listing_has_names_sizes_and_md5(service: Service, storage_account: StorageAccount) -> None:
    storage = _images(storage_account, {"202611/b.png": b"bb", "202611/a/写.png": b"a", "202612/c.png": b"c"})

    listing = service.feeds.listing(storage, "202611/")

    assert [(file.name, file.size) for file in listing] == [("202611/a/写.png", 1), ("202611/b.png", 2)]
    assert listing[1].md5 == base64.b64encode(hashlib.md5(b"bb").digest()).decode()
    assert '"' not in listing[0].etag
    assert listing[0].modified.tzinfo is not None


def test_a_directory_of_a_hierarchical_namespace_is_no_file(
    service: Service, storage_account: StorageAccount
) -> None:
    storage = _images(storage_account, {"202611/a.png": b"a"})
    container_client(storage.account, storage.container).upload_blob(
        "202611/sub", b"", metadata={"hdi_isfolder": "true"}
    )

    assert [file.name for file in service.feeds.listing(storage, "202611/")] == ["202611/a.png"]


def test_small_files_are_read_as_text(service: Service, storage_account: StorageAccount) -> None:
    files = {"files.txt": "\ufeffa.png\n写.png".encode(), "empty.txt": b"", "image.txt": b"\xff\xfe\xfd"}
    storage = _images(storage_account, files)

    def text_of(name: str, max_bytes: int = 100) -> str:
        return decode_list(service.feeds.read(storage, name, max_bytes), name)

    assert text_of("files.txt") == "a.png\n写.png"
    assert text_of("empty.txt") == ""
    with pytest.raises(PermanentError, match="at most 5"):
        text_of("files.txt", 5)
    with pytest.raises(PermanentError, match="UTF-8"):
        text_of("image.txt")
    with pytest.raises(NotFoundError):
        text_of("missing.txt")


def test_a_missing_container_is_not_an_empty_one(service: Service, storage_account: StorageAccount) -> None:
    storage = _images(storage_account, {}).model_copy(update={"container": "nothing"})

    with pytest.raises(NotFoundError):
        service.feeds.listing(storage, "202611/")


def _images(account: StorageAccount, files: dict[str, bytes]) -> FeedStorage:
    storage = FeedStorage(subscription="s", resource_group="g", account=account.name, container="images")
    container = container_client(storage.account, storage.container)
    container.create_container()
    for name, data in files.items():
        container.upload_blob(name, data)
    return storage
