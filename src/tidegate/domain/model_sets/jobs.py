"""The jobs of a model set: training, evaluation, comparison of forecasts, registration of members."""

import json
from dataclasses import dataclass, replace
from typing import Any

from tidegate.config.model_policy import Policy
from tidegate.config.model_sets import REGISTRATION_PIPELINE, ModelSet
from tidegate.domain.assets import BLOBSTORE, datastore_uri
from tidegate.domain.jobs.plan import JobInput, JobPlan
from tidegate.domain.jobs.records import JobKind
from tidegate.domain.lifecycle.evaluation import plan_evaluation
from tidegate.domain.lifecycle.lineage import RegisteredModel
from tidegate.domain.lifecycle.names import job_part, model_reference
from tidegate.domain.lifecycle.records import MemberRegistration, ModelVersion
from tidegate.domain.lifecycle.training_records import Comparison, Retraining
from tidegate.domain.lifecycle.verdict_records import Evaluation
from tidegate.domain.model_sets.comparison import comparison_folder


@dataclass(frozen=True)
class SetOfModel:
    """A model with its section `set`, and the URI of the container in which its feed's files arrive."""

    model: str
    set: ModelSet
    container: str


def plan_set_training(of: SetOfModel, retraining: Retraining) -> JobPlan:
    """Plan the job that trains a set, or some of its keys.

    The data were chosen when the training was decided, so a repetition plans the same job.
    """
    set, cluster = of.set, retraining.compute or of.set.compute
    inputs = _history(of, retraining.manifest)
    if set.expected:
        folder = datastore_uri(BLOBSTORE, expected_folder(of.model, retraining.signal))
        inputs["expected"] = JobInput("uri_folder", folder)
    if set.expected_in:
        inputs["expected"] = JobInput("uri_folder", f"azureml:{set.expected_in}")
    if retraining.previous:
        inputs["previous"] = _model(of.model, retraining.previous)
    if retraining.only_keys:
        inputs["only_keys"] = _file(retraining.only_keys)
    return JobPlan(
        kind=JobKind.RETRAINING,
        subject=f"{of.model}:{retraining.signal}",
        attempt=retraining.attempt,
        cluster=cluster,
        job=retraining.job,
        experiment=of.model,
        display_name=f"train {of.model}",
        pipeline=set.pipeline,
        inputs=inputs,
        literals={
            "model_name": of.model,
            "training": retraining.job,
            "keys": json.dumps(set.keys),
            "target": set.target,
            "time": set.time,
            "frequency": set.frequency,
            "horizon": set.horizon,
            "min_rows": set.min_rows,
            "trainer": set.trainer,
            "covariates": json.dumps(set.covariates),
            "member_time_limit_s": set.member_time_limit.total_seconds(),
            "buckets": set.buckets,
            "data_names": ",".join(retraining.data),
            "training_compute": cluster,
            **({"prepare": set.prepare} if set.prepare else {}),
            **({"parameters": json.dumps(set.parameters)} if set.parameters else {}),
            **({"group_by": json.dumps(set.group_by)} if set.group_by else {}),
        },
        outputs={"report": datastore_uri(BLOBSTORE, f"sets/{of.model}/trainings/{retraining.job}/")},
        models={"model": of.model},
        tags=_training_tags(of.model, retraining),
    )


def plan_comparison(of: SetOfModel, retraining: Retraining, comparison: Comparison) -> JobPlan:
    """Plan the job that compares the last forecasts of a set with the actual values of a later partition."""
    rule, cluster = of.set.worse, retraining.compute or of.set.compute
    inputs = {
        **_history(of, comparison.actuals),
        "predictions": JobInput("uri_folder", datastore_uri(BLOBSTORE, comparison.predictions)),
        "model": _model(of.model, comparison.champion),
    }
    if comparison.earlier:
        inputs["earlier"] = JobInput("uri_folder", datastore_uri(BLOBSTORE, comparison.earlier))
    return JobPlan(
        kind=JobKind.COMPARISON,
        subject=f"{of.model}:{retraining.signal}",
        attempt=retraining.attempt,
        cluster=cluster,
        job=retraining.job,
        experiment=of.model,
        display_name=f"compare the forecasts of {of.model}",
        pipeline=rule.pipeline,
        inputs=inputs,
        literals={
            "worse_metric": rule.metric,
            "worse_by": rule.by,
            "worse_min_n": rule.min_n,
            "worse_breaches": rule.breaches,
            "worse_of_last": rule.of_last,
            "min_rows": of.set.min_rows,
            "model_name": model_reference(of.model, comparison.champion),
            "partition": comparison.partition,
            "comparison": retraining.signal,
            "compare_compute": cluster,
        },
        outputs={"errors": datastore_uri(BLOBSTORE, comparison_folder(of.model, retraining.signal))},
        tags=_training_tags(of.model, retraining),
    )


def plan_set_evaluation(
    of: SetOfModel, policy: Policy, record: ModelVersion, evaluation: Evaluation
) -> JobPlan:
    """Plan the job that compares a set with the champion, key by key, and assembles the winners."""
    plan, rule = plan_evaluation(policy, record, evaluation), of.set.rule
    inputs, literals = dict(plan.inputs), dict(plan.literals)
    if evaluation.manifest:
        del inputs["holdout"]
        inputs |= _history(of, evaluation.manifest)
    literals["data_name"] = literals.pop("data")  # `data` is the folder of the feed here
    literals |= {
        "rule_metric": rule.metric,
        "rule_tolerance": rule.tolerance,
        "rule_min_n": rule.min_n,
        "rule_then": rule.then,
    }
    winners = datastore_uri(BLOBSTORE, winners_folder(record, evaluation))
    return replace(plan, inputs=inputs, literals=literals, model_folders={"winners": winners})


def registration_job(model: str, registration: MemberRegistration) -> str:
    """Return the job's name, which is derived from its work: `members-sales-3-a1`."""
    return f"members-{job_part(model)}-{job_part(registration.version)}-a{registration.attempt}"


def plan_registration(source: RegisteredModel, registration: MemberRegistration) -> JobPlan:
    """Plan the job that registers the members of a version as models of their own."""
    reference = model_reference(source.name, source.version)
    return JobPlan(
        kind=JobKind.REGISTRATION,
        subject=reference,
        attempt=registration.attempt,
        cluster=registration.compute,
        job=registration_job(source.name, registration),
        experiment=source.name,
        display_name=f"register the members of {reference}",
        pipeline=REGISTRATION_PIPELINE,
        inputs={"model": _model(source.name, source.version)},
        literals={
            "model_name": source.name,
            "model_version": source.version,
            "model_uri": source.uri,
            "registration_compute": registration.compute,
        },
        outputs={},
        tags={"tidegate_model": source.name, "tidegate_attempt": str(registration.attempt)},
    )


def winners_folder(record: ModelVersion, evaluation: Evaluation) -> str:
    """Return the folder in the workspace's blob store of the winners of an evaluation."""
    return f"evaluations/{record.model}/{record.version}/e{evaluation.number}-winners"


def expected_folder(model: str, signal: str) -> str:
    """Return the folder of the list of expected keys of a training, with a final slash."""
    return f"sets/{model}/expected/{signal}/"


def _history(of: SetOfModel, manifest: str | None) -> dict[str, JobInput]:
    assert manifest is not None
    return {"data": JobInput("uri_folder", of.container), "manifest": _file(manifest)}


def _file(path: str) -> JobInput:
    return JobInput("uri_file", datastore_uri(BLOBSTORE, path))


def _model(name: str, version: str) -> JobInput:
    return JobInput("mlflow_model", f"azureml:{model_reference(name, version)}")


def _training_tags(model: str, retraining: Retraining) -> dict[str, Any]:
    return {
        "tidegate_model": model,
        "tidegate_signal": retraining.signal,
        "tidegate_attempt": str(retraining.attempt),
        "tidegate_data": ",".join(retraining.data)[:900],
    }
