"""The lineage of a model in production: complete for the ledger, and as tags within Azure's limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.domain.lifecycle.promotion import valid_approval
from tidegate.domain.lifecycle.records import Lineage, ModelVersion

# https://learn.microsoft.com/azure/machine-learning/resource-limits-capacity
MOST_TAGS = 50
LONGEST_NAME, LONGEST_VALUE = 100, 1000
SOURCE_TAG = "tidegate_source_workspace"  # only copies that a promotion made have this tag
_PREFIX = "tidegate_"
_LEFT_OUT = "tidegate_tags_left_out"


@dataclass(frozen=True)
class RegisteredModel:
    """A model version in a workspace: `uri` is the path of its files, `run` the run that made it."""

    name: str
    version: str
    uri: str
    type: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    flavors: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""


def lineage_of(record: ModelVersion, source: RegisteredModel, workspace: str) -> Lineage:
    """Return the complete lineage of a version that is promoted from `workspace`."""
    approval, verdict = valid_approval(record), record.verdict
    return Lineage(
        source_workspace=workspace,
        source_model=source.name,
        source_version=source.version,
        source_uri=source.uri,
        run=record.source.run or source.run,
        training_data=_training_data(record.source.data)
        or source.tags.get("tidegate_training_data", "unknown"),
        evaluation_data=verdict.data if verdict else "",
        verdict="passed" if verdict and verdict.passed else "none",
        verdict_id=verdict.id if verdict else "",
        verdict_job=verdict.job if verdict else "",
        verdict_champion=(verdict.champion or "none") if verdict else "",
        approved_by=approval.by if approval else "no approval was required",
        approved_by_source=approval.by_source if approval else "",
        approved_at=approval.at.isoformat() if approval else "",
        approval_reason=approval.reason if approval else "",
        tags=dict(source.tags),
        properties=dict(source.properties),
    )


def lineage_tags(lineage: Lineage) -> dict[str, str]:
    """Return the lineage as tags, followed by as many of the source's own tags as Azure allows.

    The source's tags are taken in the order of their names. A separate tag counts the tags that do not fit.
    """
    fields = lineage.model_dump(exclude={"tags", "properties"})
    ours = {f"{_PREFIX}{name}": str(text) for name, text in fields.items()}
    theirs = {name: str(text) for name, text in sorted(lineage.tags.items()) if name not in ours}
    free = MOST_TAGS - len(ours)
    if len(theirs) > free:
        ours[_LEFT_OUT] = str(len(theirs) - free + 1)
        theirs = dict(list(theirs.items())[: free - 1])
    return {name[:LONGEST_NAME]: _shortened(text) for name, text in {**theirs, **ours}.items()}


def is_copy_of(model: RegisteredModel, lineage: Lineage) -> bool:
    """Return whether a version in production is the copy that this lineage describes."""
    names = ("source_workspace", "source_model", "source_version")
    return all(model.tags.get(f"{_PREFIX}{name}") == _shortened(getattr(lineage, name)) for name in names)


def _training_data(data: Mapping[str, str] | str) -> str:
    """Return the inputs of the training run as text, each with its name. A single input has no name."""
    if isinstance(data, Mapping):
        return ", ".join(f"{name}: {reference}" for name, reference in sorted(data.items()))
    return data


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
