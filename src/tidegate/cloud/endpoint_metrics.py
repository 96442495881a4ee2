"""What Azure Monitor counted of a deployment's requests. Judges nothing.

https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-machinelearningservices-workspaces-onlineendpoints-deployments-metrics
"""

from datetime import datetime, timedelta
from typing import Any

from tidegate.cloud.arm import ArmClient
from tidegate.domain.lifecycle.health import RequestMetrics

_API = "2024-02-01"
_METRICS = "/providers/Microsoft.Insights/metrics"
_REQUESTS, _LATENCY = "RequestsPerMinute", "RequestLatency_P95"
_STATUS = "envoy_response_code"
_MINUTE = timedelta(minutes=1)


class EndpointMetricsClient:
    """Minute by minute, as both are averages: of a minute, the average of a count is the count."""

    def __init__(self, arm: ArmClient) -> None:
        self._arm = arm

    def figures(self, deployment_id: str, since: datetime, until: datetime) -> RequestMetrics:
        """Requests by status between two moments, whole minutes; figures come some minutes late."""
        start, end = _floor(since), _floor(until) + _MINUTE
        by_status: dict[int, int] = {}
        for status, points in self._series(deployment_id, start, end, _REQUESTS, f"{_STATUS} eq '*'"):
            if status.isdecimal():
                by_status[int(status)] = round(sum(points))
        latency = [
            point for _, points in self._series(deployment_id, start, end, _LATENCY) for point in points
        ]
        return RequestMetrics(by_status, sum(latency) / len(latency) if latency else None)

    def _series(
        self, deployment_id: str, start: datetime, end: datetime, metric: str, condition: str = ""
    ) -> list[tuple[str, list[float]]]:
        """(value of the dimension, a number a minute) of each series."""
        query = {
            "metricnames": metric,
            "aggregation": "Average",
            "interval": "PT1M",
            "timespan": f"{start:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}",
        }
        chosen = {"$filter": condition} if condition else {}
        answer = self._arm.get(f"{deployment_id}{_METRICS}", _API, **query, **chosen)
        return [(_dimension(one), _points(one)) for found in answer["value"] for one in found["timeseries"]]


def _dimension(series: dict[str, Any]) -> str:
    return next((str(one.get("value")) for one in series.get("metadatavalues", [])), "")


def _points(series: dict[str, Any]) -> list[float]:
    return [point["average"] for point in series.get("data", []) if point.get("average") is not None]


def _floor(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
