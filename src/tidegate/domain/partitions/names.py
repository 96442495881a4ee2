"""Names of month versions and results, and the paths of what they publish."""

import re


def version_name(month: str, version: int) -> str:
    """The Data asset's version, and the month version's name everywhere: `202611-1`."""
    return f"{month}-{version}"


def result_name(month: str, version: int, generation: int) -> str:
    """What a generation is called everywhere: `202611-1-g1`."""
    return f"{version_name(month, version)}-g{generation}"


def result_order(name: str) -> tuple[int, int]:
    """(version, generation) of a result's name: the higher one counts."""
    found = re.fullmatch(r"\d{6}-(\d+)-g(\d+)", name)
    if not found:
        raise ValueError(f"{name} is no name of a result")
    return int(found[1]), int(found[2])


def predictions_asset(feed: str) -> str:
    return f"{feed}-predictions"


def manifest_path(feed: str, month: str, hash: str) -> str:
    """Beside the outputs; named by its content, so that a repetition writes the same blob."""
    return f"predictions/{feed}/{month}/manifests/{hash[:32]}.jsonl"


def predictions_path(feed: str, month: str, version: int, generation: int) -> str:
    """The folder in the workspace's blob store that a generation publishes into; ends with a slash."""
    return f"predictions/{feed}/{month}/{version_name(month, version)}/g{generation}/"


def drift_folder(feed: str, month: str, version: int, generation: int) -> str:
    """Where a generation leaves what it measured of drift; ends with a slash."""
    return f"{predictions_path(feed, month, version, generation)}drift/"


def drift_path(feed: str, month: str, version: int, generation: int) -> str:
    return f"{drift_folder(feed, month, version, generation)}drift.json"
