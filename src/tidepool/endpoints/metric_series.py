"""Time series of metrics, computed from recorded requests, with the names and dimensions of Azure Monitor."""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidepool.endpoints.request_metrics import Sample
from tidepool.errors import AzureError
from tidepool.store import Document

Dimensions = Mapping[str, str]
Values = Callable[[Sequence[Sample]], float]
Minutes = Iterable[tuple[datetime, list[Sample]]]

_CLAUSE = re.compile(r"\(?\s*(\w+)\s+(eq|ne)\s+'([^']*)'\s*\)?", re.IGNORECASE)
_CONJUNCTION = re.compile(r"\s+(?:and|or)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Metric:
    """A metric. `value` computes it from the requests of one minute that have the same `dimensions`."""

    name: str
    label: str
    unit: str
    dimensions: tuple[str, ...]
    value: Values


def _percentile(percent: int) -> Values:
    def value(samples: Sequence[Sample]) -> float:
        times = sorted(sample.ms for sample in samples)
        return times[max(0, math.ceil(len(times) * percent / 100) - 1)]

    return value


def _mean(samples: Sequence[Sample]) -> float:
    return sum(sample.ms for sample in samples) / len(samples)


def _latencies(*dimensions: str) -> tuple[Metric, ...]:
    return tuple(
        Metric(
            f"RequestLatency_P{percent}",
            f"Request Latency P{percent}",
            "Milliseconds",
            dimensions,
            _percentile(percent),
        )
        for percent in (50, 90, 95, 99)
    )


def _requests(*dimensions: str) -> Metric:
    return Metric("RequestsPerMinute", "Requests Per Minute", "Count", dimensions, len)


# https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-machinelearningservices-workspaces-onlineendpoints-metrics
_ENDPOINT = (
    _requests("deployment", "statusCode", "statusCodeClass", "modelStatusCode"),
    Metric("RequestLatency", "Request Latency", "Milliseconds", ("deployment",), _mean),
    *_latencies("deployment"),
)
# ...-onlineendpoints-deployments-metrics
_DEPLOYMENT = (_requests("envoy_response_code"), *_latencies())
ENDPOINT_METRICS = {metric.name.lower(): metric for metric in _ENDPOINT}
DEPLOYMENT_METRICS = {metric.name.lower(): metric for metric in _DEPLOYMENT}


def dimensions_of(sample: Sample) -> Dimensions:
    """Return the values of all dimensions of a request."""
    return {
        "deployment": sample.deployment,
        "statusCode": str(sample.status),
        "statusCodeClass": f"{sample.status // 100}xx",
        "modelStatusCode": "" if sample.model_status is None else str(sample.model_status),
        "envoy_response_code": str(sample.status),
    }


@dataclass(frozen=True)
class DimensionFilter:
    """A `$filter`: the values that each dimension may have or must not have.

    There is one time series for each combination of the dimensions in the filter.
    """

    included: Mapping[str, frozenset[str]]
    excluded: Mapping[str, frozenset[str]]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.included, *self.excluded)))

    def admits(self, dimensions: Dimensions) -> bool:
        lower = {name: value.lower() for name, value in dimensions.items()}
        return all(
            "*" in values or lower[name] in values for name, values in self.included.items()
        ) and not any(lower[name] in values for name, values in self.excluded.items())


def read_filter(text: str, metric: Metric) -> DimensionFilter:
    """Parse a `$filter` such as `deployment eq 'green' and statusCodeClass ne '2xx'`.

    Raise AzureError 400 if it is malformed, or if the metric does not have the dimension.
    """
    names = {name.lower(): name for name in metric.dimensions}
    values_by_operator: dict[str, dict[str, set[str]]] = {"eq": defaultdict(set), "ne": defaultdict(set)}
    for clause in _CONJUNCTION.split(text.strip()) if text.strip() else []:
        match = _CLAUSE.fullmatch(clause.strip())
        if match is None:
            raise bad_request(
                f"'{clause}' in $filter is not a comparison of a dimension, such as deployment eq 'blue'."
            )
        if match[1].lower() not in names:
            raise bad_request(
                f"Metric: {metric.name} does not support requested dimension combination: {match[1]}, "
                f"supported ones are: {','.join(metric.dimensions)}"
            )
        values_by_operator[match[2].lower()][names[match[1].lower()]].add(match[3].lower())
    frozen = [
        {name: frozenset(values) for name, values in dimensions.items()}
        for dimensions in values_by_operator.values()
    ]
    return DimensionFilter(*frozen)


def series(
    metric: Metric,
    minutes: Minutes,
    dimension_filter: DimensionFilter,
    grid: Sequence[datetime],
    step: timedelta,
) -> list[Document]:
    """Return the time series of a metric, one for each combination of the dimensions in the filter.

    Each point is an average. It is the average of the values of all minutes in the interval, and of all
    combinations of the other dimensions.
    """
    values_by_key: dict[tuple[str, ...], dict[datetime, list[float]]] = {}
    for minute, samples in minutes:
        start = grid[0] + (minute - grid[0]) // step * step
        for dimensions, value in _values(metric, samples):
            if dimension_filter.admits(dimensions):
                key = tuple(dimensions[name] for name in dimension_filter.names)
                values_by_key.setdefault(key, defaultdict(list))[start].append(value)
    if not values_by_key and not dimension_filter.names:
        values_by_key[()] = {}
    return [
        {
            "metadatavalues": [
                {"name": {"value": name.lower(), "localizedValue": name.lower()}, "value": value}
                for name, value in zip(dimension_filter.names, key, strict=True)
            ],
            "data": [_point(moment, values.get(moment)) for moment in grid],
        }
        for key, values in sorted(values_by_key.items())
    ]


def _values(metric: Metric, samples: Iterable[Sample]) -> Iterator[tuple[Dimensions, float]]:
    """Yield (dimensions, value) for each combination of the metric's dimensions in one minute."""
    groups: dict[tuple[str, ...], list[Sample]] = defaultdict(list)
    for sample in samples:
        dimensions = dimensions_of(sample)
        groups[tuple(dimensions[name] for name in metric.dimensions)].append(sample)
    for key, group in groups.items():
        yield dict(zip(metric.dimensions, key, strict=True)), metric.value(group)


def _point(moment: datetime, values: Sequence[float] | None) -> Document:
    point: Document = {"timeStamp": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}
    return {**point, "average": sum(values) / len(values)} if values else point


def bad_request(message: str) -> AzureError:
    return AzureError(400, "BadRequest", message)
