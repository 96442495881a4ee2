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
        self._delay = max(_quiet_time(feed), check_delay)

    def meaning(self, event: BlobChanged, path: str, now: datetime) -> Meaning:
        """Return the meaning of an event for this feed: what the service does about it.

        `path` is the blob's name, now or before it was renamed. Whatever the name of the file is, its
        partition is checked: the listing shows whether a job can read the file.
        """
        match = self._feed.path.split(path + "/" if event.directory else path)
        if match is None:
            return Ignore("path is outside the feed")
        (partition, file), folder = match, path.rpartition("/")[0]
        try:
            first_day(partition)
        except ValueError:
            return Reject(f"{self._name} {folder}", f"there is no {period_of(partition)} {partition}")
        if not self._feed.covers(partition):
            return Ignore("the feed starts later")
        return self._check(event, partition, file, now)

    def _check(self, event: BlobChanged, partition: str, file: str, now: datetime) -> Meaning:
        signal = file in self._markers or file in self._lists
        # A file that does not match `only` leads to a check, too, so that it is recorded as left out.
        if event.unwritten and file not in self._markers:
            return Ignore("file has no content yet")
        if signal and not event.deleted:
            return Send(CheckPartition(cause=event.id, feed=self._name, partition=partition))
        due = now + self._delay
        return Send(
            CheckPartition(cause=event.id, feed=self._name, partition=partition, due=due), self._delay
        )


def _quiet_time(feed: Feed) -> timedelta:
    """Return how long after a file its partition is checked, so that one check serves a burst of files.

    If only a marker completes a partition, another file changes nothing before the late files are quiet.
    """
    if all(rule.marker for rule in feed.complete_when):
        return feed.late_files.quiet_for
    return min((rule.quiet_for for rule in feed.complete_when if rule.quiet_for), default=timedelta())
