"""Notification channels: which activities a channel receives, and the text that is sent to it."""

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from tidegate.config.schema import Channel
from tidegate.config.types import url_scheme
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.channel_record import ChannelRecord
from tidegate.domain.activities.channel_texts import Message
from tidegate.domain.activities.links import activity_url, page_url
from tidegate.domain.activities.owners import Owner

_LONGEST_EVENT_TEXT = 8000  # Event Grid counts an event as one for each 64 KB


def wants(channel: Channel, kind: str, owner: Owner) -> bool:
    """Return whether a channel subscribes to this kind of activity, about this feed or model.

    A channel that names feeds or models receives nothing that is about neither.
    """
    if not any(fnmatchcase(kind, pattern) for pattern in channel.events):
        return False
    if channel.feeds is None and channel.models is None:
        return True
    return _matches(owner.feed, channel.feeds) or _matches(owner.model, channel.models)


def _matches(name: str | None, patterns: list[str] | None) -> bool:
    return name is not None and any(fnmatchcase(name, pattern) for pattern in patterns or ())


def notification(activity: Activity, public_url: str | None) -> Message:
    """Return the message of an activity, with the command that repeats failed work and a link to details.

    The link is left out if `public_url`, the address of the service, is not configured, or if there is no
    page about the activity's subject.
    """
    ending, path = [], activity_url(activity)
    if activity.replayable:
        ending += [f"To try it again: tidegate replay {activity.short_id}"]
    if public_url and path:
        ending += [f"{public_url.rstrip('/')}{page_url(path)}"]
    return Message(activity.title, activity.text, tuple(ending))


@dataclass(frozen=True)
class FailingChannel:
    """A channel of tidegate.yml that did not accept its last message."""

    name: str
    since: datetime
    failures: int
    problem: str


def failing_channels(
    channels: Sequence[Channel], records: Iterable[ChannelRecord]
) -> Iterator[FailingChannel]:
    """Yield the channels of tidegate.yml that fail now."""
    by_key = {record.channel: record for record in records}
    for channel in channels:
        record = by_key.get(channel_key(channel))
        if record and record.failing_since:
            yield FailingChannel(
                channel_name(channels, channel), record.failing_since, record.failures, record.problem or ""
            )


def channel_name(channels: Sequence[Channel], channel: Channel) -> str:
    """Return the name of a channel by its place in tidegate.yml: `notify[0] (slack)`."""
    return f"notify[{channels.index(channel)}] ({url_scheme(channel.url)})"


def channel_key(channel: Channel) -> str:
    """Return a hash that identifies a channel in the ledger without its URL, which contains a secret."""
    return hashlib.sha256(channel.url.encode()).hexdigest()[:16]


def event_data(activity: Activity) -> dict[str, Any]:
    """Return the data of the event of an activity: what every kind has, and the kind's own fields."""
    return {
        **activity.data,
        "kind": activity.kind,
        "at": activity.at.isoformat(),
        "title": activity.title,
        "text": activity.text[:_LONGEST_EVENT_TEXT],
        "cause": activity.cause,
    }


def event_id(activity: Activity) -> str:
    """Return the id of the Event Grid event of an activity: always the same for the same activity."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tidegate/{activity.subject}/{activity.id}"))
