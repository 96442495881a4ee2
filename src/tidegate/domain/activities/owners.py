"""The feed or the model that an activity belongs to, for the channels that want only some of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.domain.activities.subjects import FeedSubject, ModelSubject, PartitionSubject, parse_subject

_PAUSE = re.compile(r"pause:(feed|model):(.+)")
_REJECTED = re.compile(r"rejected:(\S+) .*")


@dataclass(frozen=True)
class Owner:
    """The feed or the model that something belongs to. Both are None if it belongs to neither."""

    feed: str | None = None
    model: str | None = None


def owner_of(subject: str, data: Mapping[str, Any]) -> Owner:
    """Return the feed or the model that an activity belongs to, by its subject or by its data.

    A job's owner is not known from its subject: the job's record has it.
    """
    match parse_subject(subject):
        case PartitionSubject(feed, _) | FeedSubject(feed):
            return Owner(feed=feed)
        case ModelSubject(model):
            return Owner(model=model)
    if match := _PAUSE.fullmatch(subject):
        return Owner(**{match[1]: match[2]})
    names = {name: str(data[name]) for name in ("feed", "model") if data.get(name)}
    if not names and (match := _REJECTED.fullmatch(subject)):
        return Owner(feed=match[1])
    return Owner(**names)
