"""Names of the jobs, folders and deployments of a model version, and the version in a job's name."""

import hashlib
import re
from collections.abc import Iterable

_JOB = re.compile(r"judge-(?P<model>.+)-(?P<version>[A-Za-z0-9_]+)-e\d+-a\d+")
_LONGEST_PART = 80
_HASH = 8
_LONGEST_DEPLOYMENT = 28


def model_reference(model: str, version: str) -> str:
    """Return the reference of a version: `classifier:3`."""
    return f"{model}:{version}"


def job_part(name: str) -> str:
    """Return a name as a part of a job's name: letters, digits, - and _.

    If characters had to be replaced, a hash is added, so that different names stay different.
    """
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:_LONGEST_PART]
    return name if kept == name else f"{kept.strip('-')}-{_digest(name)}"


def judge_job(model: str, version: str, number: int, attempt: int) -> str:
    """Return the name of an evaluation's job, which is derived: `judge-classifier-3-e1-a1`."""
    part = version if re.fullmatch(r"[A-Za-z0-9_]+", version) else job_part(f"{version}.")
    return f"judge-{job_part(model)}-{part}-e{number}-a{attempt}"


def judged_by(job: str, models: Iterable[str]) -> tuple[str, str] | None:
    """Return the model and version that a job with this name evaluates, or None.

    None means that the name does not have the form of `judge_job`, or that `judge_job` replaced characters of
    the version in the name.
    """
    match = _JOB.fullmatch(job)
    owner = next((name for name in models if match and job_part(name) == match["model"]), None)
    return (owner, match["version"]) if match and owner else None


def evaluation_folder(model: str, version: str, number: int) -> str:
    """Return the folder in the workspace's blob store that an evaluation writes to, with a final slash."""
    return f"evaluations/{model}/{version}/e{number}/"


def deployment_name(version: str) -> str:
    """Return the name of the deployment that serves a version: `v-3`.

    Azure allows 3 to 32 letters, digits and -, and the first must be a letter.
    """
    kept = re.sub(r"[^a-z0-9]+", "-", version.lower()).strip("-")
    if kept != version or len(kept) > _LONGEST_DEPLOYMENT:
        kept = f"{kept[: _LONGEST_DEPLOYMENT - _HASH - 1]}-{_digest(version)}".strip("-")
    return f"v-{kept}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:_HASH]


def version_order(version: str) -> list[tuple[int, int, str]]:
    """Return the key that sorts versions of a model as people count: 9, 10, 10.1, 11."""
    parts = re.split(r"(\d+)", version)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]
