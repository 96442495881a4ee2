"""CheckMonth: from files in a folder to a registered version of a month. Launches nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from tidegate.config.schema import Config, Feed
from tidegate.domain.activities import month_texts as notifications
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.assets import BLOBSTORE, DataAsset, datastore_name, datastore_uri
from tidegate.domain.partitions.calendar import deadline_of, prefix_of
from tidegate.domain.partitions.completeness import (
    ChangedAfterCompletion,
    NewVersion,
    Unchanged,
    WaitForFiles,
    decide_completeness,
    unclaimed,
)
from tidegate.domain.partitions.manifest import Manifest
from tidegate.domain.partitions.names import manifest_path
from tidegate.domain.partitions.names import version_name as name_of
from tidegate.domain.partitions.records import Month, MonthVersion
from tidegate.errors import PermanentError
from tidegate.log import Log
from tidegate.messages.commands import CheckMonth, Follows, Next, ScoreMonth
from tidegate.service.steps.generation_end import tell
from tidegate.service.steps.partition_listing import feed_of, look

if TYPE_CHECKING:
    from tidegate.cloud.blobs import FeedFiles
    from tidegate.cloud.ledger import Ledger
    from tidegate.cloud.workspaces import ConfiguredWorkspaces

log = Log(__name__)

_LONGEST_DELAY = timedelta(hours=1)
# How old the record of the last listing may become before it is written anew.
_LISTED_AGAIN = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Manifest first, then the ledger, then the Data asset: after a kill anywhere, the next look goes on."""

    config: Callable[[], Config]
    ledger: "Ledger"
    feeds: "FeedFiles"
    workspaces: "ConfiguredWorkspaces"
    now: Callable[[], datetime]

    def check_month(self, command: CheckMonth) -> Follows:
        """A check with a due time is one of a chain: too early it waits on, overtaken it ends."""
        config, now = self.config(), self.now()
        feed = feed_of(config, command.feed)
        if command.due and now < command.due:
            return [_later(command, command.due, now)]
        record = self.ledger.month(command.feed, command.month)
        overtaken = command.due and record.check_due and command.due < record.check_due
        if overtaken or command.month < feed.starts:
            return []
        unfinished = self._carry_on(command, feed, record)
        seen = look(self.feeds, feed, command.month)
        deadline = deadline_of(feed.deadline, command.month, config.timezone) if feed.deadline else None
        match decide_completeness(feed, record, seen, now, deadline):
            case NewVersion() as new:
                return self._add(command, feed, record, new)
            case WaitForFiles() as wait:
                told = self._tell_late(command, record, deadline, len(seen.files)) if wait.late else []
                return [*unfinished, *told, *self._wait(command, record, wait, now)]
            case ChangedAfterCompletion() as change:
                return [*unfinished, *self._tell_changed(command, record, change)]
            case Unchanged():
                self._note_listing(record, now, also=self._is_looked_at(record))
                return unfinished

    def bring_up_to_date(self, feed: Feed, record: Month, why: str) -> None:
        """A person's wish: the next version of what changed, though the policy makes none. ConflictError."""
        if files := unclaimed(feed, record, look(self.feeds, feed, record.month)):
            command = CheckMonth(cause=f"request-{uuid4()}", feed=record.feed, month=record.month)
            self._add(command, feed, record, NewVersion(files, why))

    def _add(self, command: CheckMonth, feed: Feed, record: Month, new: NewVersion) -> Follows:
        """The next version, claimed under the record's ETag: of two that see the same files, one wins."""
        manifest = Manifest.of(new.files)
        path = manifest_path(command.feed, command.month, manifest.hash)
        datastores = self.workspaces[feed.workspace].datastores
        datastores.write(BLOBSTORE, path, manifest.text.encode())
        version = MonthVersion(
            number=len(record.versions) + 1,
            manifest_hash=manifest.hash,
            manifest_path=path,
            files=len(manifest),
            bytes=manifest.bytes,
            reason=new.reason,
            snapshot_at=self.now(),
        )
        record.versions.append(version)
        record.check_due, record.listed_at = None, version.snapshot_at
        self.ledger.save(record)
        log.info("version_added", version=version.number, files=version.files, reason=new.reason)
        return self._carry_on(command, feed, record)

    def _carry_on(self, command: CheckMonth, feed: Feed, record: Month) -> Follows:
        """What the versions so far still lack: registration; a first scoring of the latest."""
        fresh = [version for version in record.versions if not version.registered]
        told = [self._register(command, feed, record, version) for version in fresh]
        claimed = [(c.version.number, c.generation.number) for c in record.claims if c.version in fresh]
        if record.latest and not record.latest.generations:
            claimed.append((record.latest.number, 1))
        place = command.model_dump(include={"cause", "feed", "month"})
        scores = [Next(ScoreMonth(**place, version=v, generation=g)) for v, g in claimed]
        return [*scores, *told]

    def _register(self, command: CheckMonth, feed: Feed, record: Month, version: MonthVersion) -> Next:
        asset = _data_asset(feed, record, version)
        assets = self.workspaces[feed.workspace].assets
        tags = assets.data_tags(asset.name, asset.version)
        if tags is None:
            assets.register_data(asset)
        elif tags.get("tidegate_manifest") != version.manifest_hash:
            raise PermanentError(
                f"Data asset {asset.name}:{asset.version} exists already with other files than the ledger "
                f"says: archive it, or bring the ledger back"
            )
        trigger = Trigger(version.snapshot_at, command.cause)
        told = tell(self.ledger, notifications.registered(record, version, trigger))
        version.registered = True
        self.ledger.save(record)
        return told

    def _wait(self, command: CheckMonth, record: Month, wait: WaitForFiles, now: datetime) -> list[Next]:
        """One delayed check is under way for each `check_due`; the timer makes good for one that is lost."""
        if wait.until == record.check_due:
            self._note_listing(record, now, also=wait.late)
            return []
        record.check_due = wait.until
        self._note_listing(record, now, also=True)
        return [_later(command, wait.until, now)] if wait.until else []

    def _tell_late(
        self, command: CheckMonth, record: Month, deadline: datetime | None, files: int
    ) -> list[Next]:
        assert deadline is not None
        trigger = Trigger(self.now(), command.cause)
        record.deadline_announced = True
        return [tell(self.ledger, notifications.late(record, deadline, files, trigger))]

    def _tell_changed(self, command: CheckMonth, record: Month, change: ChangedAfterCompletion) -> list[Next]:
        trigger = Trigger(self.now(), command.cause)
        told = tell(self.ledger, notifications.changed(record, change.hash, change.why, trigger))
        record.late_announced = [*record.late_announced[-19:], change.hash]
        self._is_looked_at(record)
        self._note_listing(record, self.now(), also=True)
        return [told]

    def _is_looked_at(self, record: Month) -> bool:
        """Nothing is left to wait for; whether that is news."""
        waited, record.check_due = record.check_due, None
        return waited is not None

    def _note_listing(self, record: Month, now: datetime, *, also: bool = False) -> None:
        """Write the record where it changed, or where its last listing is long ago."""
        if also or record.listed_at is None or now - record.listed_at >= _LISTED_AGAIN:
            record.listed_at = now
            self.ledger.save(record)


def _later(command: CheckMonth, due: datetime, now: datetime) -> Next:
    check = CheckMonth(cause=command.cause, feed=command.feed, month=command.month, due=due)
    return Next(check, min(due - now, _LONGEST_DELAY))


def _data_asset(feed: Feed, record: Month, version: MonthVersion) -> DataAsset:
    """The month's folder as a version of the feed's Data asset. The manifest says what counts in it."""
    folder = prefix_of(feed.path, record.month)
    return DataAsset(
        name=record.feed,
        version=name_of(record.month, version.number),
        path=datastore_uri(datastore_name(feed.storage), folder),
        description=f"{version.files} files of {record.month}: {version.reason}",
        tags={
            "tidegate_feed": record.feed,
            "tidegate_month": record.month,
            "tidegate_manifest": version.manifest_hash,
            "tidegate_files": str(version.files),
            "tidegate_bytes": str(version.bytes),
        },
    )
