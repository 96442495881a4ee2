"""The metrics that an evaluation wrote to evidence.json. Values that are not finite numbers become None."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.domain.lifecycle.metric_values import finite

EVIDENCE = "evidence.json"


@dataclass(frozen=True)
class MetricEstimate:
    """A metric's value and its confidence interval."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class MetricComparison:
    """One metric of the candidate and the champion. `difference` is paired: candidate minus champion."""

    candidate: MetricEstimate = MetricEstimate()
    champion: MetricEstimate = MetricEstimate()
    difference: MetricEstimate = MetricEstimate()


@dataclass(frozen=True)
class MetricGroup:
    """The metrics of `n` rows: the whole holdout or one slice of it."""

    n: float | None
    metrics: Mapping[str, MetricComparison]


@dataclass(frozen=True)
class SetFigures:
    """What an evaluation of a model set counted. Shares are parts of `members`, the keys of its index.

    `kept` keys have the champion's member in the winners, and `dropped` ones none.
    """

    members: float | None = None
    coverage: float | None = None
    share_failed: float | None = None
    share_worse: float | None = None
    kept: float | None = None
    dropped: float | None = None

    @property
    def winners_differ(self) -> bool:
        """Return whether the winners are another set than the candidate, or may be."""
        return self.kept != 0 or self.dropped != 0


@dataclass(frozen=True)
class Evidence:
    """What an evaluation measured. The keys of `slices` are the values of the column `by`.

    `decoder` is the version of the pipeline's image decoder, or None if the pipeline names none. `set` is
    None unless the evaluation was that of a model set.
    """

    candidate: str
    champion: str | None
    data: str
    whole: MetricGroup
    by: str
    slices: Mapping[str, MetricGroup]
    decoder: str | None = None
    set: SetFigures | None = None


@dataclass(frozen=True)
class NoEvidence:
    """The evaluation failed, or its evidence cannot be used, for this reason."""

    why: str


def read_evidence(content: bytes) -> Evidence | NoEvidence:
    """Read evidence.json, or return why it cannot be used."""
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError) as error:
        return NoEvidence(f"{EVIDENCE} cannot be read: {error}")
    if not isinstance(raw, dict):
        return NoEvidence(f"{EVIDENCE} is not a JSON object")
    slices = _mapping(raw.get("slices"))
    return Evidence(
        candidate=str(raw.get("candidate")),
        champion=None if raw.get("champion") is None else str(raw["champion"]),
        data=str(raw.get("data")),
        whole=_group(raw),
        by=str(slices.get("by")),
        slices={name: _group(_mapping(values)) for name, values in _mapping(slices.get("values")).items()},
        decoder=None if raw.get("decoder") is None else str(raw["decoder"]),
        set=_set_figures(raw["set"]) if isinstance(raw.get("set"), dict) else None,
    )


def decoder_problem(of_pipeline: str | None, of_verdict: str | None) -> str | None:
    """Return why a verdict does not hold for the images that a pipeline decodes, or None if it does.

    A pipeline without the tag `tidegate_decoder` is not checked. Verdicts that name no decoder are older than
    the tag, when the decoder had version 1.
    """
    judged_with = of_verdict or "1"
    if of_pipeline is None or of_pipeline == judged_with:
        return None
    return f"it was judged with images of decoder {judged_with}, and is given images of decoder {of_pipeline}"


def _group(raw: Mapping[str, Any]) -> MetricGroup:
    metrics = _mapping(raw.get("metrics"))
    return MetricGroup(
        finite(raw.get("n")), {name: _compared(_mapping(values)) for name, values in metrics.items()}
    )


def _set_figures(raw: Mapping[str, Any]) -> SetFigures:
    return SetFigures(**{name: finite(raw.get(name)) for name in SetFigures.__dataclass_fields__})


def _compared(raw: Mapping[str, Any]) -> MetricComparison:
    return MetricComparison(
        **{side: _figure(_mapping(raw.get(side))) for side in MetricComparison.__dataclass_fields__}
    )


def _figure(raw: Mapping[str, Any]) -> MetricEstimate:
    return MetricEstimate(**{end: finite(raw.get(end)) for end in MetricEstimate.__dataclass_fields__})


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
