"""The traffic and the health of a rollout over time, for pictures that the server draws as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tidegate.domain.lifecycle.rollout_records import RolloutRecord

_WIDTH, _HEIGHT = 240.0, 60.0
_SHARE_OF_LAST = 0.15  # of the width, for a step that goes on


@dataclass(frozen=True)
class StepChart:
    """A figure of each step, drawn from `begin` to `end`. The top of the picture is the value `top`."""

    title: str
    path: str
    top: str
    begin: datetime
    end: datetime


def rollout_charts(rollout: RolloutRecord | None) -> list[StepChart]:
    """Return the charts of a rollout's traffic, error rate and latency, those that were measured."""
    steps = rollout.steps if rollout else []
    if rollout is None or not steps:
        return []
    begin = steps[0].began_at
    end = max(rollout.ended_at or steps[-1].began_at, steps[-1].began_at)
    health = [step.health for step in steps]
    rates = [figures.error_rate if figures else None for figures in health]
    delays = [figures.p95_ms if figures else None for figures in health]
    every = (
        ("Traffic", [float(step.percent) for step in steps], 100.0, "100 %"),
        ("Error rate", rates, _most(rates), f"{100 * _most(rates):.3g} %"),
        ("p95", delays, _most(delays), f"{_most(delays):.4g} ms"),
    )
    starts = [(step.began_at - begin).total_seconds() for step in steps]
    return [
        StepChart(title, _path(starts, values, most, (end - begin).total_seconds()), top, begin, end)
        for title, values, most, top in every
        if any(value is not None for value in values)
    ]


def _most(values: Sequence[float | None]) -> float:
    return max((value for value in values if value is not None), default=0.0) or 1.0


def _path(starts: Sequence[float], values: Sequence[float | None], most: float, seconds: float) -> str:
    """Return the line of the values. It begins anew after a step that was not measured."""
    going_on = seconds <= starts[-1]
    shown = (seconds / (1 - _SHARE_OF_LAST) if going_on else seconds) or 1.0
    edges = [_WIDTH * start / shown for start in starts] + [_WIDTH]
    parts, joined = list[str](), False
    for number, value in enumerate(values):
        if value is not None:
            y = _HEIGHT - _HEIGHT * value / most
            parts.append(
                f"{'L' if joined else 'M'}{edges[number]:.1f},{y:.1f} L{edges[number + 1]:.1f},{y:.1f}"
            )
        joined = value is not None
    return " ".join(parts)
