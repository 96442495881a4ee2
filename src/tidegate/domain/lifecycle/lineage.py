"""Where a model in production comes from: whole for the ledger, and within Azure's limits as tags. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.domain.lifecycle.promotion import valid_approval
from tidegate.domain.lifecycle.records import ModelVersion

# https://learn.microsoft.com/azure/machine-learning/resource-limits-capacity
MOST_TAGS = 50
LONGEST_NAME, LONGEST_VALUE = 100, 1000
SOURCE_TAG = "tidegate_source_workspace"  # only copies that we made have it
_OURS = "tidegate_"
_LEFT_OUT = "tidegate_tags_left_out"


@dataclass(frozen=True)
class RegisteredModel:
    """A version of a model, as a workspace has it. `uri` names its files, `run` the job that made it."""

    name: str
    version: str
    uri: str
    type: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    flavors: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""


def lineage(record: ModelVersion, source: RegisteredModel, workspace: str) -> dict[str, Any]:
    """Everything that led here, nothing left out: for the ledger."""
    approval, verdict = valid_approval(record), record.verdict
    return {
        "source_workspace": workspace,
        "source_model": source.name,
        "source_version": source.version,
        "source_uri": source.uri,
        "run": record.source.get("run") or source.run,
        "training_data": _words(record.source.get("data"))
        or source.tags.get("tidegate_training_data", "unknown"),
        "evaluation_data": verdict.data if verdict else "",
        "verdict": "passed" if verdict and verdict.passed else "none",
        "verdict_id": verdict.id if verdict else "",
        "verdict_job": verdict.job if verdict else "",
        "verdict_champion": (verdict.champion or "none") if verdict else "",
        "approved_by": approval.by if approval else "nobody was asked",
        "approved_by_source": approval.by_source if approval else "",
        "approved_at": approval.at.isoformat() if approval else "",
        "approval_reason": approval.reason if approval else "",
        "tags": dict(source.tags),
        "properties": dict(source.properties),
    }


def lineage_tags(whole: Mapping[str, Any]) -> dict[str, str]:
    """The lineage, then as many of the source's own tags as Azure takes, by name; a tag counts the rest."""
    ours = {f"{_OURS}{name}": str(text) for name, text in whole.items() if name not in ("tags", "properties")}
    theirs = {name: str(text) for name, text in sorted(whole["tags"].items()) if name not in ours}
    room = MOST_TAGS - len(ours)
    if len(theirs) > room:
        ours[_LEFT_OUT] = str(len(theirs) - room + 1)
        theirs = dict(list(theirs.items())[: room - 1])
    return {name[:LONGEST_NAME]: _short(text) for name, text in {**theirs, **ours}.items()}


def is_copy_of(model: RegisteredModel, whole: Mapping[str, Any]) -> bool:
    """Whether a version in production is the one that this lineage leads to."""
    names = ("source_workspace", "source_model", "source_version")
    return all(model.tags.get(f"{_OURS}{name}") == _short(str(whole[name])) for name in names)


def _words(data: Any) -> str:
    """The run's inputs by name, or one alone."""
    if isinstance(data, Mapping):
        return ", ".join(f"{name}: {reference}" for name, reference in sorted(data.items()))
    return str(data or "")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
