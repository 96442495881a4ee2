"""Names of partition versions and results, and the paths of the files that they publish."""

import re


def version_name(partition: str, version: int) -> str:
    """Return the name of a partition version, which is also its Data asset's version: `202611-1`."""
    return f"{partition}-{version}"


def result_name(partition: str, version: int, generation: int) -> str:
    """Return the name of a generation and its result: `202611-1-g1`."""
    return f"{version_name(partition, version)}-g{generation}"


def result_order(name: str) -> tuple[int, int]:
    """Return (version, generation) from a result's name. Of several results, the highest pair is current.

    Raise ValueError if no result has such a name.
    """
    match = re.fullmatch(r"\d{6}(?:\d{2})?-(\d+)-g(\d+)", name)
    if not match:
        raise ValueError(f"{name} is not the name of a result, such as 202611-1-g1")
    return int(match[1]), int(match[2])


def partition_of_result(name: str) -> str:
    """Return the partition from a result's name: `202611` from `202611-1-g1`."""
    return name.partition("-")[0]


def predictions_asset(feed: str) -> str:
    """Return the name of the Data asset of a feed's predictions."""
    return f"{feed}-predictions"


def manifest_path(feed: str, partition: str, hash: str) -> str:
    """Return the path of a manifest, named by its content so that a repetition writes the same blob."""
    return f"predictions/{feed}/{partition}/manifests/{hash[:32]}.jsonl"


def predictions_path(feed: str, partition: str, version: int, generation: int) -> str:
    """Return the folder in the workspace's blob store that a generation publishes to, with a final slash."""
    return f"predictions/{feed}/{partition}/{version_name(partition, version)}/g{generation}/"


def profile_folder(feed: str, partition: str, version: int) -> str:
    """Return the folder with the profile of a version's files, with a final slash."""
    return f"predictions/{feed}/{partition}/{version_name(partition, version)}/profile/"


def profile_path(feed: str, partition: str, version: int) -> str:
    """Return the path of a version's profile.json."""
    return f"{profile_folder(feed, partition, version)}profile.json"


def drift_folder(feed: str, partition: str, version: int, generation: int) -> str:
    """Return the folder that a generation writes its drift measurement to, with a final slash."""
    return f"{predictions_path(feed, partition, version, generation)}drift/"


def drift_path(feed: str, partition: str, version: int, generation: int) -> str:
    """Return the path of a generation's drift.json."""
    return f"{drift_folder(feed, partition, version, generation)}drift.json"
