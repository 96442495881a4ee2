"""What steps log to MLflow, and the arguments that all publishing steps have."""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUBJECT = ("feed", "partition", "version", "generation")
CSV_FORMS = ("exact", "excel")
METRICS_AT_ONCE = 500  # MLflow accepts at most 1,000 in one request


@dataclass(frozen=True)
class StepLog:
    """What a step logs. `tags` get the prefix `tidegate_`. Documents become JSON files by their names."""

    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    figures: Mapping[str, "Figure"] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


def log_to_mlflow(log: StepLog) -> None:
    """Log to this step's run and to the pipeline's run, which people look at first."""
    import mlflow

    with mlflow.start_run() as run:
        mlflow.set_tags({f"tidegate_{key}": value for key, value in log.tags.items()})
    client = mlflow.MlflowClient()
    for run_id in filter(None, (run.info.run_id, run.data.tags.get("mlflow.parentRunId"))):
        for metrics in _batched(log.metrics.items()):
            mlflow.log_metrics(dict(metrics), run_id=run_id)
        for name, document in log.documents.items():
            client.log_dict(run_id, dict(document), name)
        for name, figure in log.figures.items():
            client.log_figure(run_id, figure, name)
        for file in log.files:
            client.log_artifact(run_id, str(file))


def _batched(metrics: Iterable[tuple[str, float]]) -> Iterator[list[tuple[str, float]]]:
    """Yield the metrics in lists that MLflow accepts in one request."""
    remaining = iter(metrics)
    while part := list(islice(remaining, METRICS_AT_ONCE)):
        yield part


def add_publishing_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the ids of a result, where its predictions go, and how they are published."""
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--max-error-rate", type=float, required=True)
    parser.add_argument("--csv", choices=CSV_FORMS, default="exact")
    for key in SUBJECT:
        parser.add_argument(f"--{key}", required=True)


def subject_of(args: argparse.Namespace) -> dict[str, str]:
    """Return the ids of a result from the arguments of a publishing step."""
    return {key: getattr(args, key) for key in SUBJECT}
