"""The request metrics of an online deployment, from Azure Monitor.

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
    """A client for request metrics.

    The client reads averages for each minute. Within one minute, the average of a count is the count itself.
    """

    def __init__(self, arm: ArmClient) -> None:
        self._arm = arm

    def figures(self, deployment_id: str, since: datetime, until: datetime) -> RequestMetrics:
        """Return the requests by HTTP status and the mean 95th percentile latency between two times.

        Both times are rounded to whole minutes. Azure Monitor provides its metrics some minutes late.
        """
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
        """Return the series of a metric: each value of the dimension, with a number for each minute."""
        query = {
            "metricnames": metric,
            "aggregation": "Average",
            "interval": "PT1M",
            "timespan": f"{start:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}",
        }
        odata_filter = {"$filter": condition} if condition else {}
        answer = self._arm.get(f"{deployment_id}{_METRICS}", _API, **query, **odata_filter)
        return [
            (_dimension(series), _points(series))
            for found in answer["value"]
            for series in found["timeseries"]
        ]


def _dimension(series: dict[str, Any]) -> str:
    return next((str(metadata.get("value")) for metadata in series.get("metadatavalues", [])), "")


def _points(series: dict[str, Any]) -> list[float]:
    return [point["average"] for point in series.get("data", []) if point.get("average") is not None]


def _floor(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
