"""Notifications about partitions: their ids, titles and texts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.next_steps import rerun_command
from tidegate.domain.activities.subjects import partition_subject
from tidegate.domain.partitions.catch_up import BEFORE_INSTALLATION
from tidegate.domain.partitions.manifest import ListedBlob
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.records import (
    Partition,
    PartitionVersion,
)
from tidegate.messages.partition_id import period_of


@dataclass(frozen=True)
class ListedFiles:
    """What a listing has: the number of files that count, and sentences about files in no partition."""

    files: int
    outside: Sequence[str] = ()


def partition_activity(  # noqa: PLR0913 - the fields of an activity
    record: Partition, trigger: Trigger, *, id: str, kind: str, title: str, text: str, data: dict[str, Any]
) -> Activity:
    """Return an activity about a partition, of the kind `partition.<kind>`."""
    return Activity(
        subject=partition_subject(record.feed, record.partition),
        id=id,
        kind=f"partition.{kind}",
        at=trigger.at,
        title=title,
        text=text,
        data=data,
        cause=trigger.cause,
    )


def registered(
    record: Partition, version: PartitionVersion, trigger: Trigger, *, held_back: bool = False
) -> Activity:
    name = version_name(record.partition, version.number)
    period, size = period_of(record.partition), f"{version.files} files, {version.bytes:,} bytes"
    scored = f"It is {BEFORE_INSTALLATION}. To score it: {rerun_command(record.feed, record.partition)}"
    starts = "Scoring starts now, or when it is its turn (catch_up.max_live)."
    return partition_activity(
        record,
        trigger,
        id=f"{name}-registered",
        kind="registered",
        title=f"{record.feed} {name} is complete",
        text="\n".join(
            [
                f"The {period} has {size}. Reason: {version.reason}.",
                *omissions(version),
                scored if held_back else starts,
            ]
        ),
        data={
            "version": version.number,
            "files": version.files,
            "bytes": version.bytes,
            "left_out": version.left_out.files,
            "unusable": version.unusable.count,
        },
    )


def late(
    record: Partition, deadline: datetime, listed: ListedFiles, missing: str, trigger: Trigger
) -> Activity:
    """Return the activity of a missed deadline, with what has arrived and what is left out."""
    files, outside = listed.files, listed.outside
    left_out = record.left_out
    none = "no file that counts has arrived" if left_out.files else "no file has arrived"
    arrived = f"{files} files have arrived" if files else none
    return partition_activity(
        record,
        trigger,
        id="late",
        kind="late",
        title=f"{record.feed} {record.partition} is late",
        text=(
            f"This {period_of(record.partition)} was due on {deadline:%Y-%m-%d %H:%M %Z} and is incomplete. "
            f"So far {arrived}. It waits for {missing}.\n"
            + "".join(f"{sentence}\n" for sentence in [*left_out.sentences(), *outside])
            + "Ask the sender for what is missing. Scoring starts by itself once it is there."
        ),
        data={
            "deadline": deadline.isoformat(),
            "files": files,
            "missing": missing,
            "left_out": left_out.files,
        },
    )


def files_missing(record: Partition, list_file: ListedBlob, trigger: Trigger) -> Activity:
    """Return the activity that names the listed files that have not arrived, once for each list file."""
    missing = record.left_out.missing
    return partition_activity(
        record,
        trigger,
        id=f"files-missing-{list_file.etag}",
        kind="files_missing",
        title=f"{record.feed} {record.partition} waits for {missing.count} listed files",
        text=(
            f"{list_file.name} arrived on {list_file.modified:%Y-%m-%d %H:%M %Z}. "
            + "".join(f"{sentence}\n" for sentence in record.left_out.sentences())
            + "Scoring starts by itself once they are there. If the list is wrong, upload a correct one."
        ),
        data={"list": list_file.name, "missing": missing.count, "names": missing.names},
    )


def changed(record: Partition, hash: str, why: str, trigger: Trigger) -> Activity:
    return partition_activity(
        record,
        trigger,
        id=f"changed-{hash[:16]}",
        kind="changed",
        title=f"{record.feed} {record.partition} changed after it was complete",
        text=(
            f"{why}.\nThe changed files are not scored by themselves. To score them as the next version: "
            f"{rerun_command(record.feed, record.partition)}"
        ),
        data={"hash": hash},
    )


def omissions(version: PartitionVersion) -> Iterator[str]:
    """Yield sentences about the files that are left out, and about those that no job can read."""
    yield from version.left_out.sentences()
    if version.unusable.count:
        error_row = "cannot be read by a job and becomes a row with its error"
        many = "files cannot be read by a job and become rows with their errors"
        yield version.unusable.sentence(f"file {error_row}", many)
