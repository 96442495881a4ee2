"""Azure Monitor's metrics, computed from requests: dimensions, filters, averages."""

from datetime import UTC, datetime, timedelta

import pytest

from tidepool.endpoints.metric_series import DEPLOYMENT_METRICS, ENDPOINT_METRICS, read_filter, series
from tidepool.endpoints.request_metrics import Sample
from tidepool.errors import AzureError
from tidepool.store import Document

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
REQUESTS, LATENCY = ENDPOINT_METRICS["requestsperminute"], ENDPOINT_METRICS["requestlatency_p95"]


def sample(deployment: str = "blue", status: int = 200, ms: float = 10) -> Sample:
    return Sample(deployment, status, 500 if status == 424 else status, ms)


def averages(
    minutes: list[list[Sample]],
    condition: str = "",
    *,
    name: str = "RequestsPerMinute",
    step: timedelta = MINUTE,
) -> dict[tuple[str, ...], list[float | None]]:
    """Return the averages by the values of the dimensions in the filter."""
    metric = ENDPOINT_METRICS[name.lower()]
    recorded = [(NOON + number * MINUTE, samples) for number, samples in enumerate(minutes) if samples]
    grid = [NOON + number * step for number in range(-(-len(minutes) * MINUTE // step))]
    every: list[Document] = series(metric, recorded, read_filter(condition, metric), grid, step)
    return {
        tuple(entry["value"] for entry in time_series["metadatavalues"]): [
            point.get("average") for point in time_series["data"]
        ]
        for time_series in every
    }


def test_a_minute_without_requests_has_no_average() -> None:
    assert averages([[sample(), sample()], [], [sample()]]) == {(): [2, None, 1]}


def test_without_requests_the_series_is_empty_and_with_a_filter_there_is_none() -> None:
    assert averages([[]]) == {(): [None]}
    assert averages([[sample("blue")]], "deployment eq 'green'") == {}


def test_the_average_is_over_all_combinations_of_dimensions() -> None:
    minute = [sample()] * 9 + [sample(status=424)]

    assert averages([minute]) == {(): [5]}
    assert averages([minute], "statusCodeClass eq '*'") == {("2xx",): [9], ("4xx",): [1]}


def test_a_longer_interval_averages_its_minutes() -> None:
    minutes = [[sample()] * 4, [sample()] * 2, [sample()]]

    assert averages(minutes, step=2 * MINUTE) == {(): [3, 1]}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("deployment eq 'GREEN'", {("green",): [2]}),
        ("deployment eq 'green' and statusCodeClass ne '2xx'", {("green", "4xx"): [1]}),
        ("deployment eq 'blue' or deployment eq 'green'", {("blue",): [1], ("green",): [2]}),
        (
            "(deployment eq 'blue' or deployment eq 'green') and modelStatusCode eq '500'",
            {("green", "500"): [1]},
        ),
    ],
)
def test_filters_choose_and_split(condition: str, expected: dict[tuple[str, ...], list[float]]) -> None:
    minute = [sample("blue"), sample("green", 424)] + [sample("green")] * 3

    assert averages([minute], condition) == expected


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("deployment is 'blue'", "is not a comparison"),
        ("region eq 'japaneast'", "supported ones are: deployment,statusCode"),
        ("deployment eq blue", "is not a comparison"),
    ],
)
def test_a_wrong_filter_is_refused(condition: str, message: str) -> None:
    with pytest.raises(AzureError, match=message):
        read_filter(condition, REQUESTS)


def test_percentiles_are_those_of_a_minute() -> None:
    minute = [sample(ms=ms) for ms in range(1, 101)]

    assert averages([minute], name="RequestLatency_P95") == {(): [95]}
    assert averages([minute], name="RequestLatency_P50") == {(): [50]}
    assert averages([minute], name="RequestLatency") == {(): [50.5]}


def test_deployments_have_dimensions_of_their_own() -> None:
    assert DEPLOYMENT_METRICS["requestsperminute"].dimensions == ("envoy_response_code",)
    assert LATENCY.dimensions == ("deployment",)
    assert "requestlatency" not in DEPLOYMENT_METRICS
