"""A retraining as a job: on which data versions, under which name. Never on `latest`. Pure."""

import re
from collections.abc import Iterable

from tidegate.config.model_policy import Drift
from tidegate.domain.jobs.plan import JobPlan
from tidegate.domain.lifecycle.names import job_part
from tidegate.domain.lifecycle.records import Retraining

_SIGNAL = re.compile(r"((?:measurement|monitor|dataset-monitor|renew)-.+)-a\d+")


def retrain_job(model: str, signal: str, attempt: int) -> str:
    """`retrain-classifier-measurement-digits-202611-1-g1-a1`: the same retraining has the same name."""
    return f"retrain-{job_part(model)}-{signal}-a{attempt}"


def retrained_by(job: str, models: Iterable[str]) -> tuple[str, str] | None:
    """Model and signal that a job of this name serves; None where it is not one of ours."""
    for model in models:
        prefix = f"retrain-{job_part(model)}-"
        if job.startswith(prefix) and (found := _SIGNAL.fullmatch(job.removeprefix(prefix))):
            return model, found[1]
    return None


def plan_retraining(model: str, drift: Drift, retraining: Retraining) -> JobPlan:
    """The same for each repetition of an attempt: the data versions were named when it was decided."""
    months = [name for name in retraining.data if name != drift.training]
    inputs = {f"month_{number}": ("uri_folder", f"azureml:{name}") for number, name in enumerate(months, 1)}
    if drift.training and drift.training in retraining.data:
        inputs["training"] = ("uri_folder", f"azureml:{drift.training}")
    data = ",".join(retraining.data)
    return JobPlan(
        job=retraining.job,
        experiment=model,
        display_name=f"retrain {model}",
        pipeline=drift.retrain,
        inputs=inputs,
        literals={
            "data": data,
            "model_name": model,
            "signal": retraining.signal,
            "train_compute": drift.compute,
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
