"""The versions of a partition: list its files, and register a new set of files as a Data asset."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.config.schema import Feed
from tidegate.domain.activities import partition_texts
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.assets import BLOBSTORE, DataAsset, datastore_name, datastore_uri
from tidegate.domain.partitions.catch_up import is_held_back, starts_by_itself, was_there_before
from tidegate.domain.partitions.completeness import NewVersion, next_version, unclaimed
from tidegate.domain.partitions.list_files import decode_list
from tidegate.domain.partitions.listing import PartitionListing, list_files, sort_listing
from tidegate.domain.partitions.looks import pending_check
from tidegate.domain.partitions.manifest import MAX_MANIFEST_BYTES, ListedBlob
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.omissions import left_out_of
from tidegate.domain.partitions.records import Partition, PartitionVersion
from tidegate.errors import NotFoundError, PermanentError
from tidegate.log import Log
from tidegate.messages.commands import Follows, Next, ScorePartition, WeighDrift
from tidegate.service.context import ServiceContext
from tidegate.service.steps.content_looks import ContentLooks
from tidegate.service.steps.feed_records import FeedRecords

if TYPE_CHECKING:
    from tidegate.cloud.blobs import FeedFiles

log = Log(__name__)

_MAX_LIST_FILE_BYTES = 64 * 1024 * 1024
_ARRIVE_TOGETHER = timedelta(seconds=30)


@dataclass(frozen=True)
class VersionRegistration:
    """The steps from a list of files to a registered version.

    The order is: manifest blob, ledger, Data asset. After a crash at any point, the next check continues.
    """

    context: ServiceContext
    feed_files: "FeedFiles"
    feeds: FeedRecords
    looks: ContentLooks

    def compared_files(self, feed: Feed, record: Partition) -> PartitionListing:
        """List the partition's files, and look at those that were written again with the same MD5."""
        return self.looks.compare(feed, record, self.list_files(feed, record.partition))

    def list_files(self, feed: Feed, partition: str) -> PartitionListing:
        """Return the partition's files and the content of its list files. A missing container has none."""
        prefix = feed.path.folder(partition)
        return self.sort_files(feed, prefix, self.list_blobs(feed, prefix))

    def list_blobs(self, feed: Feed, prefix: str) -> list[ListedBlob]:
        """Return the blobs of the feed's container below `prefix`. A missing container has none."""
        try:
            return self.feed_files.listing(feed.storage, prefix)
        except NotFoundError:
            return []

    def sort_files(self, feed: Feed, prefix: str, listing: Sequence[ListedBlob]) -> PartitionListing:
        """Sort the blobs of a partition's folder by their role, and read its list files."""
        names = {file.name for file in listing}
        paths = {name: prefix + name for name in list_files(feed) if prefix + name in names}
        contents = {
            name: decode_list(self.feed_files.read(feed.storage, path, _MAX_LIST_FILE_BYTES), path)
            for name, path in paths.items()
        }
        return sort_listing(feed, prefix, listing, contents)

    def add(self, feed: Feed, record: Partition, new: NewVersion, cause: str) -> Follows:
        """Add the next version under the record's ETag, and return the commands that score it.

        Raise ConflictError if another check of the same files was quicker.
        """
        old = was_there_before(self.feeds.first_seen(record.feed), record, new.files)
        version = next_version(record, new, self.context.now(), before_installation=old)
        version.cause = cause
        size = sum(map(len, new.manifest.blocks()))
        if size > MAX_MANIFEST_BYTES:
            raise PermanentError(
                f"The manifest of {record.feed} {record.partition} with its {version.files} files has "
                f"{size} bytes, and at most {MAX_MANIFEST_BYTES} are allowed: divide the files over "
                "several feeds, or make the feed daily"
            )
        datastores = self.context.workspace_of(feed).datastores
        datastores.write(BLOBSTORE, version.manifest_path, new.manifest.blocks())
        record.versions.append(version)
        record.check_due = pending_check(record, version.snapshot_at)
        record.listed_at = version.snapshot_at
        self.context.ledger.save(record)
        log.info("version_added", version=version.number, files=version.files, reason=new.reason)
        return self.complete(feed, record, cause)

    def add_changed_files(self, feed: Feed, record: Partition, reason: str, cause: str) -> None:
        """Add a version on a person's request if files changed and the feed's policy adds none.

        Raise ConflictError if the record was changed by another writer.
        """
        listing, now = self.compared_files(feed, record), self.context.now()
        if files := unclaimed(feed, record, listing):
            new = NewVersion(files, reason)
            record.left_out, record.listed_old = left_out_of(feed, listing, new), listing.older_than(now)
            self.add(feed, record, new, cause)

    def complete(self, feed: Feed, record: Partition, cause: str) -> Follows:
        """Register the versions that are not registered yet, and return the commands that score them.

        The latest version is scored if no generation of it exists and the feed's `catch_up` allows it.
        """
        unregistered = [version for version in record.versions if not version.registered]
        notifications = [
            step for version in unregistered for step in self._register(feed, record, version, cause)
        ]
        claims = [claim for claim in record.claims if claim.version in unregistered]
        due = [(claim.version.number, claim.generation.number) for claim in claims]
        if record.latest and starts_by_itself(feed, record):
            due.append((record.latest.number, 1))
        scorings = [
            ScorePartition(
                cause=cause,
                feed=record.feed,
                partition=record.partition,
                version=version,
                generation=generation,
            )
            for version, generation in due
        ]
        return [*map(Next, scorings), *self._trainings(record, unregistered, cause), *notifications]

    def _trainings(
        self, record: Partition, registered: Sequence[PartitionVersion], cause: str
    ) -> Iterator[Next]:
        """Yield the commands that train the sets of the feed with a version that was registered just now.

        They have a delay, so that of several partitions that arrive together only the newest starts one.
        """
        if not registered or is_held_back(self.context.feed(record.feed), record):
            return
        of = f"{record.feed}:{version_name(record.partition, registered[-1].number)}"
        for model in self.context.config().sets_trained_at_partitions_of(record.feed):
            weigh = WeighDrift(cause=cause, model=model, source="partition", of=of)
            yield Next(weigh, _ARRIVE_TOGETHER)

    def _register(self, feed: Feed, record: Partition, version: PartitionVersion, cause: str) -> list[Next]:
        """Register a version. People are not notified of one that is not scored because it is old."""
        asset, assets = _data_asset(feed, record, version), self.context.workspace_of(feed).assets
        tags = assets.data_tags(asset.name, asset.version)
        if tags is None:
            assets.register_data(asset)
        elif tags.get("tidegate_manifest") != version.manifest_hash:
            raise PermanentError(
                f"Data asset {asset.name}:{asset.version} exists with other files than in the ledger: "
                "archive the Data asset, or restore the ledger, and replay this command"
            )
        trigger = Trigger(version.snapshot_at, cause)
        held_back = is_held_back(feed, record)
        activity = partition_texts.registered(record, version, trigger, held_back=held_back)
        activity.done = held_back
        announced = self.context.announce(activity)
        version.registered = True
        self.context.ledger.save(record)
        return [] if held_back else [announced]


def _data_asset(feed: Feed, record: Partition, version: PartitionVersion) -> DataAsset:
    """Return the partition's folder as a version of the feed's Data asset."""
    return DataAsset(
        name=record.feed,
        version=version_name(record.partition, version.number),
        path=datastore_uri(datastore_name(feed.storage), feed.path.folder(record.partition)),
        description=f"{version.files} files of {record.partition}: {version.reason}",
        tags={
            "tidegate_feed": record.feed,
            "tidegate_partition": record.partition,
            "tidegate_manifest": version.manifest_hash,
            "tidegate_files": str(version.files),
            "tidegate_bytes": str(version.bytes),
        },
    )
