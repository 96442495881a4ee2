"""Match a blob with a feed: which partition it belongs to, and when that partition is checked."""

import fnmatch
import re
from datetime import datetime, timedelta

from tidegate.config.schema import Feed
from tidegate.messages.commands import CheckPartition
from tidegate.messages.events import BlobChanged
from tidegate.service.meanings import Ignore, Meaning, Reject, Send


class FeedMatcher:
    """The path pattern and file rules of one feed, compiled once for many events."""

    def __init__(self, name: str, feed: Feed, check_delay: timedelta) -> None:
        self._name = name
        self._feed = feed
        pattern = re.escape(feed.path).replace(r"\{yyyy\}", "([0-9]{4})").replace(r"\{MM\}", "([0-9]{2})")
        self._path = re.compile(f"{pattern}(.*)", re.DOTALL)
        self._only = re.compile(fnmatch.translate(feed.only))  # matches as fnmatchcase does
        self._markers = {rule.marker for rule in feed.complete_when if rule.marker}
        self._lists = {rule.listed_in for rule in feed.complete_when if rule.listed_in}
        quiet = min((rule.quiet_for for rule in feed.complete_when if rule.quiet_for), default=timedelta())
        self._delay = max(quiet, check_delay)

    def meaning(self, event: BlobChanged, path: str, fault: str, now: datetime) -> Meaning:
        """Return the meaning of an event for this feed: what the service does about it.

        `path` is the blob's name, now or before it was renamed. `fault` says why the name cannot be scored.
        """
        match = self._path.fullmatch(path + "/" if event.directory else path)
        if not match:
            return Ignore("path is outside the feed")
        year, partition_number, file = match.groups()
        partition, folder = year + partition_number, path.rpartition("/")[0]
        if not "01" <= partition_number <= "12":
            return Reject(f"{self._name} {folder}", f"{partition} is not a partition")
        if fault:
            return Reject(f"{self._name} {folder[:100]}", fault)
        if partition < self._feed.starts:
            return Ignore("partition is before the feed starts")
        return self._check(event, partition, file, now)

    def _check(self, event: BlobChanged, partition: str, file: str, now: datetime) -> Meaning:
        signal = file in self._markers or file in self._lists
        listed = bool(self._lists)  # a list file can name any file
        if not (signal or event.directory or listed or self._only.match(file)):
            return Ignore("file does not match the feed's `only`")
        if event.unwritten and file not in self._markers:
            return Ignore("file has no content yet")
        if signal and not event.deleted:
            return Send(CheckPartition(cause=event.id, feed=self._name, partition=partition))
        due = now + self._delay
        return Send(
            CheckPartition(cause=event.id, feed=self._name, partition=partition, due=due), self._delay
        )
