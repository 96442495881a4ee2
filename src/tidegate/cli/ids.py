"""Ids as people type or paste them: every id that the command line shows names what it belongs to."""

import re
from dataclasses import dataclass

_QUOTES = " \t\r\n'\"`‘’“”«»,;"
_PARTITION = re.compile(
    r"(?:(?P<feed>[a-z0-9-]+):)?(?P<partition>\d{6}(?:\d{2})?)(?:-(?P<version>\d+)(?:-g\d+)?)?"
)
_SCORING_JOB = re.compile(
    r"score-(?P<feed>[a-z0-9-]+)-(?P<partition>\d{6}(?:\d{2})?)-(?P<version>\d+)-g\d+-a\d+"
)
_MODEL_SUBJECT = re.compile(r"model:(?:development|production):(?P<name>[^:]+)")


@dataclass(frozen=True)
class PartitionName:
    """A partition as a person named it. `feed` and `version` are None if the id has none."""

    partition: str
    feed: str | None = None
    version: int | None = None


def without_quotes(text: str) -> str:
    """Return an id without the blanks, quotes and commas around it that came with a pasted text."""
    return text.strip(_QUOTES)


def parse_partition(words: list[str]) -> PartitionName:
    """Return the partition that one or two words name.

    Besides `digits 202611` and `202611` these are the ids that lists show: `digits:202611`, the version
    `202611-1`, the scoring `202611-1-g2` and the job `score-digits-202611-1-g2-a1`. Raise ValueError if there
    are more words.
    """
    if len(words) not in (1, 2):
        raise ValueError(f"write FEED PARTITION, such as `digits 202611`, not {' '.join(words)}")
    *feed, text = (without_quotes(word) for word in words)
    match = _PARTITION.fullmatch(text) or _SCORING_JOB.fullmatch(text)
    if match is None:
        return PartitionName(text, feed[0] if feed else None)
    version = int(match["version"]) if match["version"] else None
    return PartitionName(match["partition"], feed[0] if feed else match["feed"], version)


def parse_backfill(feed: str, what: str) -> tuple[str, str]:
    """Return the feed and the range or id of a backfill, of which the id may be a whole subject.

    Activities name a backfill `backfill:digits:202601-202610-1`.
    """
    feed, what = without_quotes(feed), without_quotes(what)
    return feed, what.removeprefix(f"backfill:{feed}:")


def parse_model(name: str, version: str | None = None) -> tuple[str, str | None]:
    """Return the name and the version of a model, given as `NAME VERSION`, `NAME:VERSION` or `NAME`."""
    name, version = without_quotes(name), without_quotes(version) if version else None
    if match := _MODEL_SUBJECT.fullmatch(name):
        name = match["name"]
    if version is None and ":" in name:
        name, _, version = name.partition(":")
    return name, version or None
