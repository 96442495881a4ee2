"""The job of a retraining: its name, and the data versions that it trains on, never `latest`."""

import re
from collections.abc import Iterable

from tidegate.config.model_policy import Drift
from tidegate.domain.jobs.plan import JobInput, JobPlan
from tidegate.domain.jobs.records import JobKind
from tidegate.domain.lifecycle.names import job_part
from tidegate.domain.lifecycle.training_records import Retraining

REQUEST = "request"  # the first word of the signal that stands for a person's request
_SIGNAL = re.compile(rf"((?:measurement|monitor|dataset-monitor|renew|partition|{REQUEST})-.+)-a\d+")
_KINDS = ("retrain", "compare")


def retrain_job(model: str, signal: str, attempt: int) -> str:
    """Return the derived name of a retraining's job.

    Example: `retrain-classifier-measurement-digits-202611-1-g1-a1`.
    """
    return f"retrain-{job_part(model)}-{signal}-a{attempt}"


def compare_job(model: str, signal: str, attempt: int) -> str:
    """Return the derived name of the job that compares the forecasts of a set with actual values."""
    return f"compare-{job_part(model)}-{signal}-a{attempt}"


def job_of(model: str, retraining: Retraining, attempt: int) -> str:
    """Return the name of the job of a retraining's present step: the comparison, or the training."""
    name = compare_job if retraining.comparison else retrain_job
    return name(model, retraining.signal, attempt)


def retrained_by(job: str, models: Iterable[str]) -> tuple[str, str] | None:
    """Return the model and the signal of the retraining job or comparison with this name, or None."""
    for model in models:
        for kind in _KINDS:
            prefix = f"{kind}-{job_part(model)}-"
            if job.startswith(prefix) and (match := _SIGNAL.fullmatch(job.removeprefix(prefix))):
                return model, match[1]
    return None


def plan_retraining(model: str, drift: Drift, retraining: Retraining) -> JobPlan:
    """Plan the training job of a retraining.

    The data versions were chosen when the retraining was decided, so a repetition plans the same job.
    """
    partitions = [name for name in retraining.data if name != drift.training]
    inputs = {
        f"partition_{number}": JobInput("uri_folder", f"azureml:{name}")
        for number, name in enumerate(partitions, 1)
    }
    if drift.training and drift.training in retraining.data:
        inputs["training"] = JobInput("uri_folder", f"azureml:{drift.training}")
    data = ",".join(retraining.data)
    cluster = retraining.compute or drift.compute
    return JobPlan(
        kind=JobKind.RETRAINING,
        subject=f"{model}:{retraining.signal}",
        attempt=retraining.attempt,
        cluster=cluster,
        job=retraining.job,
        experiment=model,
        display_name=f"retrain {model}",
        pipeline=drift.retrain,
        inputs=inputs,
        literals={
            "data": data,
            "model_name": model,
            "signal": retraining.signal,
            "train_compute": cluster,
        },
        outputs={},
        models={"model": model},
        tags={
            "tidegate_model": model,
            "tidegate_signal": retraining.signal,
            "tidegate_attempt": str(retraining.attempt),
            "tidegate_data": data[:900],
        },
    )
