"""Look at the content of files that were written again with the same size and MD5."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING

from tidegate.config.schema import Feed
from tidegate.domain.assets import BLOBSTORE
from tidegate.domain.partitions.completeness import complete_files
from tidegate.domain.partitions.listing import PartitionListing
from tidegate.domain.partitions.manifest import ListedBlob, Manifest, etags_digest
from tidegate.domain.partitions.names import manifest_path
from tidegate.domain.partitions.records import Partition, PartitionVersion
from tidegate.domain.partitions.rewritten_files import (
    by_etag,
    can_be_read,
    rewritten_files,
    with_contents,
    written_since,
)
from tidegate.log import Log
from tidegate.service.context import ServiceContext

if TYPE_CHECKING:
    from tidegate.cloud.blobs import FeedFiles

log = Log(__name__)


@dataclass(frozen=True)
class ContentLooks:
    """The looks at the content of files. What was found out is kept in the manifest, with the ETag."""

    context: ServiceContext
    feed_files: "FeedFiles"

    def compare(self, feed: Feed, record: Partition, listing: PartitionListing) -> PartitionListing:
        """Return the listing with the contents of the files that were written again since the last version.

        This reads nothing if no ETag has changed since then.
        """
        latest = record.latest
        if latest is None or latest.etags is None:  # an earlier release wrote the manifest, without ETags
            return listing
        if latest.etags == etags_digest(complete_files(feed, listing)) and not latest.other_md5:
            return listing
        return self._compare(feed, record.partition, self.manifest(feed, latest), listing)

    def remember(self, feed: Feed, record: Partition, listing: PartitionListing) -> bool:
        """Note the ETags of a listing whose files are the last version's. Return whether the record changed.

        The manifest is written again with them, so that no file is looked at twice. The caller saves the
        record.
        """
        latest, files = record.latest, complete_files(feed, listing)
        if latest is None or latest.etags == etags_digest(files):
            return False
        manifest = Manifest.of(files)
        if manifest.hash != latest.manifest_hash:
            return False
        path = manifest_path(record.feed, record.partition, manifest.text_hash)
        self.context.workspace_of(feed).datastores.write(BLOBSTORE, path, manifest.blocks())
        latest.manifest_path, latest.etags = path, etags_digest(files)
        return True

    def changed_files(
        self,
        feed: Feed,
        partition: str,
        version: PartitionVersion,
        listing: PartitionListing,
        since: datetime,
    ) -> list[str]:
        """Return the files of a version whose content may be another than the one that was scored.

        A file that was written after the scoring began, at `since`, counts as changed, because it is not
        known what the job read.
        """
        manifest = self.manifest(feed, version)
        written = written_since(rewritten_files(manifest, _all(listing)), since)
        if written:
            return [file.name for file in written]
        return manifest.changed_in(_all(self._compare(feed, partition, manifest, listing)))

    def manifest(self, feed: Feed, version: PartitionVersion) -> Manifest:
        """Return the manifest of a version."""
        content = self.context.workspace_of(feed).datastores.read(BLOBSTORE, version.manifest_path)
        return Manifest.from_lines(BytesIO(content))

    def _compare(
        self, feed: Feed, partition: str, manifest: Manifest, listing: PartitionListing
    ) -> PartitionListing:
        rewritten = rewritten_files(manifest, _all(listing))
        contents = self._contents(feed, partition, rewritten)
        return replace(
            listing,
            files=with_contents(manifest, listing.files, contents),
            others=with_contents(manifest, listing.others, contents),
        )

    def _contents(self, feed: Feed, partition: str, files: Sequence[ListedBlob]) -> dict[str, str]:
        """Return the identity of each file: the MD5 of what it holds, or its ETag if it is not read."""
        if not can_be_read(files):
            log.warning("rewritten_files_not_read", partition=partition, files=len(files))
            return by_etag(files)
        folder = feed.path.folder(partition)
        read = {file.name: self.feed_files.md5(feed.storage, folder + file.name, file.etag) for file in files}
        return {name: f"md5:{md5}" for name, md5 in read.items()}


def _all(listing: PartitionListing) -> tuple[ListedBlob, ...]:
    return tuple(itertools.chain(listing.files, listing.others))
