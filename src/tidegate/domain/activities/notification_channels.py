"""Notification channels: which activities a channel receives, and the text that is sent to it."""

import hashlib
import uuid
from fnmatch import fnmatchcase
from typing import Any

from tidegate.config.schema import Channel
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.links import activity_url

_LONGEST_EVENT_TEXT = 8000  # Event Grid counts an event as one for each 64 KB


def wants(channel: Channel, kind: str) -> bool:
    """Return whether a channel subscribes to this kind of activity."""
    return any(fnmatchcase(kind, pattern) for pattern in channel.events)


def notification_text(activity: Activity, public_url: str | None) -> str:
    """Return the text of an activity, with the command that repeats failed work and a link to details.

    The link is left out if `public_url`, the address of the API, is not configured, or if the API has no page
    about the activity's subject.
    """
    lines, path = [activity.text], activity_url(activity)
    if activity.replayable:
        lines += [f"To try it again: tidegate replay {activity.short_id}"]
    if public_url and path:
        lines += [f"{public_url.rstrip('/')}{path}"]
    return "\n".join(lines)


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
