"""Notifications about feeds: their ids, titles and texts."""

import hashlib

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.subjects import feed_subject
from tidegate.domain.partitions.catch_up import FeedRecord


def files_outside(record: FeedRecord, trigger: Trigger) -> Activity:
    """Return the activity that names the files of no partition. The same files give the same activity."""
    outside = record.outside
    identity = hashlib.sha256(outside.model_dump_json().encode()).hexdigest()[:16]
    return Activity(
        subject=feed_subject(record.feed),
        id=f"files-outside-{identity}",
        kind="feed.files_outside",
        at=trigger.at,
        title=f"{record.feed} has files in no partition's folder",
        text=(
            "".join(f"{sentence}\n" for sentence in outside_sentences(record))
            + "They are not scored. If they belong to a partition, move them into its folder as `path` in "
            "tidegate.yml describes it."
        ),
        data={"files": outside.count, "names": outside.names},
        cause=trigger.cause,
    )


def outside_sentences(record: FeedRecord) -> list[str]:
    """Return a sentence that names the files below the feed's path that are in no partition, if any."""
    if not record.outside.count:
        return []
    where, folder = "below the feed's path", "in no partition's folder"
    return [record.outside.sentence(f"file {where} is {folder}", f"files {where} are {folder}")]
