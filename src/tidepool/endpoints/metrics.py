"""The routes of Azure Monitor's metrics, at `{id}/providers/microsoft.insights/` of endpoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import Call, Routes
from tidepool.default_resources import LOCATION
from tidepool.endpoints.metric_series import (
    DEPLOYMENT_METRICS,
    ENDPOINT_METRICS,
    Metric,
    bad_request,
    read_filter,
    series,
)
from tidepool.endpoints.records import EndpointRecords, endpoint_of
from tidepool.endpoints.request_metrics import RequestMetrics
from tidepool.errors import not_found
from tidepool.jobs.body_values import seconds
from tidepool.store import Document

_INTERVALS = ("PT1M", "PT5M", "PT15M", "PT30M", "PT1H", "PT6H", "PT12H", "P1D")
_NAMESPACE = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
_LONGEST = timedelta(days=30)


@dataclass(frozen=True)
class TimeRange:
    """The time that a query covers, and the length of its intervals."""

    start: datetime
    end: datetime
    step: timedelta

    def grid(self) -> list[datetime]:
        """Return the start of each interval."""
        first = self.start.replace(second=0, microsecond=0)
        return [first + number * self.step for number in range(max(1, -(-(self.end - first) // self.step)))]


class Metrics:
    """The routes of metrics. Azure shows a request after some minutes. Tidepool shows it at once."""

    def __init__(self, *, records: EndpointRecords, requests: RequestMetrics) -> None:
        self._records = records
        self._requests = requests

    def routes(self) -> Routes:
        return {
            ("microsoft.insights/metrics", "LIST"): self._list,
            ("microsoft.insights/metricdefinitions", "LIST"): self._definitions,
        }

    async def _list(self, call: Call) -> Response:
        metrics, namespace = self._metrics(call)
        query = {name.lower(): call.query[name] for name in call.query}
        start, end = _timespan(query.get("timespan"))
        interval = (query.get("interval") or "PT1M").upper()
        if interval not in _INTERVALS:
            raise bad_request(f"interval is {interval}; it must be one of {', '.join(_INTERVALS)}.")
        _check_aggregation(query.get("aggregation"))
        requested = [_metric(name, metrics) for name in (query.get("metricnames") or "").split(",")]
        time_range = TimeRange(start, end, timedelta(seconds=seconds(interval) or 60))
        condition = query.get("$filter") or ""
        value = [self._value(call.path.scope, metric, condition, time_range) for metric in requested]
        span = f"{start:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}"
        answer = {"cost": 0, "timespan": span, "interval": interval, "value": value}
        return JSONResponse({**answer, "namespace": namespace, "resourceregion": LOCATION})

    async def _definitions(self, call: Call) -> Response:
        metrics, namespace = self._metrics(call)
        value = [
            {
                "id": f"{call.path.text}/{metric.name}",
                "resourceId": call.path.scope,
                "namespace": namespace,
                "name": {"value": metric.name, "localizedValue": metric.label},
                "unit": metric.unit,
                "primaryAggregationType": "Average",
                "supportedAggregationTypes": ["Average"],
                "metricAvailabilities": [{"timeGrain": grain, "retention": "P93D"} for grain in _INTERVALS],
                "dimensions": [{"value": name, "localizedValue": name} for name in metric.dimensions],
            }
            for metric in metrics.values()
        ]
        return JSONResponse({"value": value})

    def _metrics(self, call: Call) -> tuple[Mapping[str, Metric], str]:
        """Return the metrics of a resource and their namespace.

        Raise AzureError 404 if the resource does not exist.
        """
        if "/deployments/" in call.path.scope:
            self._records.deployment(call.path.scope)
            return DEPLOYMENT_METRICS, f"{_NAMESPACE}/deployments"
        if "/onlineendpoints/" not in call.path.scope.lower():
            raise not_found(call.path.scope)
        self._records.endpoint(call.path.scope)
        return ENDPOINT_METRICS, _NAMESPACE

    def _value(self, scope: str, metric: Metric, condition: str, time_range: TimeRange) -> Document:
        """Return a metric of the resource `scope`, with its time series."""
        minutes = self._requests.minutes(endpoint_of(scope), time_range.start, time_range.end)
        if "/deployments/" in scope:
            name = scope.rpartition("/")[2].lower()
            minutes = (
                (minute, own)
                for minute, samples in minutes
                if (own := [sample for sample in samples if sample.deployment.lower() == name])
            )
        return {
            "id": f"{scope}/providers/Microsoft.Insights/metrics/{metric.name}",
            "type": "Microsoft.Insights/metrics",
            "name": {"value": metric.name, "localizedValue": metric.label},
            "displayDescription": metric.label,
            "unit": metric.unit,
            "errorCode": "Success",
            "timeseries": series(
                metric, minutes, read_filter(condition, metric), time_range.grid(), time_range.step
            ),
        }


def _timespan(text: str | None) -> tuple[datetime, datetime]:
    """Parse `start/end` in ISO 8601. Return the last hour if the text is missing."""
    if not text:
        now = datetime.now(UTC)
        return now - timedelta(hours=1), now
    try:
        start, end = (_moment(part) for part in text.split("/"))
    except ValueError as error:
        raise bad_request(
            f"timespan is '{text}': it must be two times in ISO 8601 with a slash between them."
        ) from error
    if not start < end or end - start > _LONGEST:
        raise bad_request(f"timespan is '{text}': the end must be after the start, by at most 30 days.")
    return start, end


def _moment(text: str) -> datetime:
    # An unquoted `+` in a query arrives as a space.
    moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _check_aggregation(text: str | None) -> None:
    for name in (text or "Average").split(","):
        if name.strip().lower() != "average":
            raise bad_request(f"Aggregation {name} is not supported; supported ones are: Average")


def _metric(name: str, metrics: Mapping[str, Metric]) -> Metric:
    metric = metrics.get(name.strip().lower())
    if metric is None:
        valid = ",".join(known.name for known in metrics.values())
        raise bad_request(f"Failed to find metric configuration for metric: {name}. Valid metrics: {valid}")
    return metric
