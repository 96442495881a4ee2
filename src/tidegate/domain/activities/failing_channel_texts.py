"""The notifications about a notification channel that fails. The other channels receive them."""

from datetime import timedelta

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.channel_record import ChannelRecord
from tidegate.domain.activities.subjects import channel_subject

# A channel that fails less often or for a shorter time is not announced: the messages are sent again.
_FAILURES, _TIME = 3, timedelta(minutes=5)


def channel_failing(record: ChannelRecord, name: str, trigger: Trigger) -> Activity | None:
    """Return the announcement that a channel fails, or None if it is too early or it was announced."""
    since = record.failing_since
    if record.announced or since is None or record.failures < _FAILURES or trigger.at - since < _TIME:
        return None
    text = (
        f"It has not accepted {record.failures} messages since {since:%Y-%m-%d %H:%M %Z}: {record.problem}. "
        "Each message is sent to it again for 24 hours. Check its address and the service behind it."
    )
    return _activity(record, "channel.failing", f"The channel {name} fails", text, trigger)


def channel_recovered(record: ChannelRecord, name: str, trigger: Trigger) -> Activity | None:
    """Return the announcement that a channel accepts messages again, or None if it needs none."""
    if not record.announced or record.failing_since is None:
        return None
    since = f"{record.failing_since:%Y-%m-%d %H:%M %Z}"
    text = f"It has accepted a message. It failed since {since}: {record.problem}."
    return _activity(record, "channel.recovered", f"The channel {name} works again", text, trigger)


def _activity(record: ChannelRecord, kind: str, title: str, text: str, trigger: Trigger) -> Activity:
    return Activity(
        subject=channel_subject(record.channel),
        id=f"{kind}-{record.failing_since:%Y%m%dT%H%M%S}",
        kind=kind,
        at=trigger.at,
        title=title,
        text=text,
        cause=trigger.cause,
    )
