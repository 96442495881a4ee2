"""Match a blob with a feed: which partition it belongs to, and when that partition is checked."""

from datetime import datetime, timedelta

from tidegate.config.schema import Feed
from tidegate.messages.commands import CheckPartition
from tidegate.messages.events import BlobChanged
from tidegate.messages.partition_id import first_day, period_of
from tidegate.service.meanings import Ignore, Meaning, Reject, Send


class FeedMatcher:
    """The path pattern and file rules of one feed, compiled once for many events."""

    def __init__(self, name: str, feed: Feed, check_delay: timedelta) -> None:
        self._name = name
        self._feed = feed
        self._markers = {rule.marker for rule in feed.complete_when if rule.marker}
        self._lists = {rule.listed_in for rule in feed.complete_when if rule.listed_in}
        quiet = min((rule.quiet_for for rule in feed.complete_when if rule.quiet_for), default=timedelta())
        self._delay = max(quiet, check_delay)

    def meaning(self, event: BlobChanged, path: str, fault: str, now: datetime) -> Meaning:
        """Return the meaning of an event for this feed: what the service does about it.

        `path` is the blob's name, now or before it was renamed. `fault` says why the name cannot be scored.
        """
        match = self._feed.path.split(path + "/" if event.directory else path)
        if match is None:
            return Ignore("path is outside the feed")
        (partition, file), folder = match, path.rpartition("/")[0]
        try:
            first_day(partition)
        except ValueError:
            return Reject(f"{self._name} {folder}", f"there is no {period_of(partition)} {partition}")
        if fault:
            return Reject(f"{self._name} {folder[:100]}", fault)
        if not self._feed.covers(partition):
            return Ignore("the feed starts later")
        return self._check(event, partition, file, now)

    def _check(self, event: BlobChanged, partition: str, file: str, now: datetime) -> Meaning:
        signal = file in self._markers or file in self._lists
        listed = bool(self._lists)  # a list file can name any file
        if not (signal or event.directory or listed or self._feed.only.match(file)):
            return Ignore("file does not match the feed's `only`")
        if event.unwritten and file not in self._markers:
            return Ignore("file has no content yet")
        if signal and not event.deleted:
            return Send(CheckPartition(cause=event.id, feed=self._name, partition=partition))
        due = now + self._delay
        return Send(
            CheckPartition(cause=event.id, feed=self._name, partition=partition, due=due), self._delay
        )
