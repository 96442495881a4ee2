"""What the jobs and folders of a model version are called, and which version a job is about. Pure."""

import hashlib
import re
from collections.abc import Iterable

_JOB = re.compile(r"judge-(?P<model>.+)-(?P<version>[A-Za-z0-9_]+)-e\d+-a\d+")
_LONGEST_PART = 80
_HASH = 8
_LONGEST_DEPLOYMENT = 28


def model_reference(model: str, version: str) -> str:
    """`classifier:3`"""
    return f"{model}:{version}"


def job_part(name: str) -> str:
    """A name as part of a job's name: letters, digits, - and _. What is changed for that ends with a hash."""
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:_LONGEST_PART]
    return name if kept == name else f"{kept.strip('-')}-{_digest(name)}"


def judge_job(model: str, version: str, number: int, attempt: int) -> str:
    """`judge-classifier-3-e1-a1`: the same evaluation has the same name."""
    part = version if re.fullmatch(r"[A-Za-z0-9_]+", version) else job_part(f"{version}.")
    return f"judge-{job_part(model)}-{part}-e{number}-a{attempt}"


def judged_by(job: str, models: Iterable[str]) -> tuple[str, str] | None:
    """Model and version that a job of this name evaluates.

    None where the name is not one of ours, or the version does not stand in it as it is.
    """
    found = _JOB.fullmatch(job)
    owner = next((name for name in models if found and job_part(name) == found["model"]), None)
    return (owner, found["version"]) if found and owner else None


def evaluation_folder(model: str, version: str, number: int) -> str:
    """The folder in the workspace's blob store that an evaluation writes to; ends with a slash."""
    return f"evaluations/{model}/{version}/e{number}/"


def deployment_name(version: str) -> str:
    """`v-3`: the deployment that serves a version. 3 to 32 letters, digits and -, a letter first."""
    kept = re.sub(r"[^a-z0-9]+", "-", version.lower()).strip("-")
    if kept != version or len(kept) > _LONGEST_DEPLOYMENT:
        kept = f"{kept[: _LONGEST_DEPLOYMENT - _HASH - 1]}-{_digest(version)}".strip("-")
    return f"v-{kept}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:_HASH]
