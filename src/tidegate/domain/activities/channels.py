"""Which channel wants an activity, and what is sent to it."""

import hashlib
import uuid
from fnmatch import fnmatchcase

from tidegate.config.schema import Channel
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.links import url_of


def wants(channel: Channel, kind: str) -> bool:
    return any(fnmatchcase(kind, pattern) for pattern in channel.events)


def words(activity: Activity, public_url: str | None) -> str:
    """What a channel gets: the text, how to have it tried again, and where to look, if that is known."""
    lines, path = [activity.text], url_of(activity)
    if activity.replayable:
        lines += [f"To try it again: tidegate replay {activity.short_id}"]
    if public_url and path:
        lines += [f"{public_url.rstrip('/')}{path}"]
    return "\n".join(lines)


def channel_key(channel: Channel) -> str:
    """Names a channel in the ledger without giving its URL away."""
    return hashlib.sha256(channel.url.encode()).hexdigest()[:16]


def event_id(activity: Activity) -> str:
    """The same activity is the same event, however often it is published."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tidegate/{activity.subject}/{activity.id}"))
