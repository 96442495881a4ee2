"""The plan of a scoring job: its name, and everything that is submitted."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pydantic import ValidationError

from tidegate.config.schema import Feed
from tidegate.domain.assets import BLOBSTORE, datastore_uri
from tidegate.domain.jobs.records import JobKind
from tidegate.domain.partitions.names import drift_folder, predictions_path, profile_folder
from tidegate.domain.partitions.records import Claim, Generation, PartitionVersion
from tidegate.messages.commands import ScorePartition

_JOB_NAME = re.compile(
    r"score-(?P<feed>.+)-(?P<partition>\d{6}(?:\d{2})?)-(?P<version>\d+)-g(?P<generation>\d+)-a\d+"
)
DATA, EARLIER_DATA = "data", "images"  # the input that is the folder of a partition
DRIFT_OUTPUT, PROFILE_OUTPUT = "drift", "profile"


class JobInput(NamedTuple):
    """A registered asset or a URI that a job reads, with its Azure ML type."""

    type: str
    reference: str


@dataclass(frozen=True)
class JobPlan:
    """A job as it is submitted: references to registered assets, and literals.

    `outputs` map a name to a folder in a datastore. `optional_outputs` do the same for outputs that only some
    pipelines have. `models` map a name to the model that the output is registered as, and `model_folders` to
    a folder in a datastore for a model that the job does not register. An attempt after a
    preemption may run on another `cluster`; `other_clusters` stay the same.
    """

    kind: JobKind
    subject: str
    attempt: int
    cluster: str
    job: str
    experiment: str
    display_name: str
    pipeline: str
    inputs: Mapping[str, JobInput]
    literals: Mapping[str, str | float]
    outputs: Mapping[str, str]
    tags: Mapping[str, str]
    force_rerun: bool = False
    models: Mapping[str, str] = field(default_factory=dict)
    model_folders: Mapping[str, str] = field(default_factory=dict)
    optional_outputs: Mapping[str, str] = field(default_factory=dict)
    other_clusters: tuple[str, ...] = ()

    def for_pipeline(self, inputs: Collection[str], outputs: Collection[str]) -> "JobPlan":
        """Return the plan for a pipeline with these inputs and outputs.

        Other optional outputs are left out. A pipeline that was registered by an earlier release calls the
        folder of a partition `images` instead of `data`.
        """
        optional = {name: folder for name, folder in self.optional_outputs.items() if name in outputs}
        earlier = DATA not in inputs and EARLIER_DATA in inputs
        named = {EARLIER_DATA if earlier and name == DATA else name: of for name, of in self.inputs.items()}
        return replace(self, inputs=named, outputs={**self.outputs, **optional}, optional_outputs={})


def job_name(claim: Claim) -> str:
    """Return the job's name, which is derived from its work: `score-digits-202611-1-g1-a1`."""
    return f"score-{claim.record.feed}-{claim.name}-a{claim.generation.attempt}"


def served_by(job: str, cause: str) -> ScorePartition | None:
    """Return the command that submits a job of this name, or None if it is not a scoring job's name."""
    match = _JOB_NAME.fullmatch(job)
    try:
        return ScorePartition.model_validate({"cause": cause, **match.groupdict()}) if match else None
    except ValidationError:  # a user's job may have a similar name, with partition 202613 or version 0
        return None


def plan_scoring(feed: Feed, claim: Claim) -> JobPlan:
    """Plan the job of a generation. The plan of an attempt is always the same.

    Only some pipelines have outputs for drift and for the profile.
    """
    record, version, generation = claim.record, claim.version, claim.generation
    subject = {
        "feed": record.feed,
        "partition": record.partition,
        "version": claim.version_name,
        "generation": str(generation.number),
    }
    return JobPlan(
        kind=JobKind.SCORING,
        subject=f"{record.feed}:{claim.name}",
        attempt=generation.attempt,
        cluster=generation.compute,
        other_clusters=(feed.score.publish_compute,),
        job=job_name(claim),
        experiment=record.feed,
        display_name=f"{record.feed} {claim.name}",
        pipeline=feed.score.pipeline_name,
        inputs={
            DATA: JobInput("uri_folder", f"azureml:{record.feed}:{subject['version']}"),
            "manifest": JobInput("uri_file", datastore_uri(BLOBSTORE, version.manifest_path)),
            "model": JobInput("mlflow_model", f"azureml:{generation.model_name}:{generation.model_version}"),
        },
        literals={
            "max_error_rate": feed.score.max_error_rate,
            **subject,
            "score_compute": generation.compute,
            "publish_compute": feed.score.publish_compute,
            # A pipeline of users may have no such input.
            **({"csv": feed.score.csv} if feed.score.csv != "exact" else {}),
            **feed.score.inputs,
        },
        outputs={"predictions": datastore_uri(BLOBSTORE, predictions_path(**claim.ids))},
        optional_outputs={
            DRIFT_OUTPUT: datastore_uri(BLOBSTORE, drift_folder(**claim.ids)),
            PROFILE_OUTPUT: datastore_uri(
                BLOBSTORE, profile_folder(record.feed, record.partition, version.number)
            ),
        },
        tags={
            f"tidegate_{word}": text for word, text in {**subject, **_details(version, generation)}.items()
        },
        force_rerun=generation.number > 1,
    )


def _details(version: PartitionVersion, generation: Generation) -> dict[str, str]:
    return {
        "attempt": str(generation.attempt),
        "files": str(version.files),
        "manifest": version.manifest_hash,
        "model": f"{generation.model_name}:{generation.model_version}",
        "reason": generation.reason[:500],
    }
