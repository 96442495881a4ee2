"""The facts of partitions for explanations: files, scorings and jobs."""

from tidegate.domain.activities.links import job_url, partition_url
from tidegate.domain.activities.subjects import job_subject, partition_subject
from tidegate.domain.explanations.graph import Graph, Node, caused, known
from tidegate.domain.jobs.records import Job
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.records import Claim, Partition, PartitionVersion


def files_graph(record: Partition, version: PartitionVersion) -> Graph:
    """Return the node of a partition version: the files that the manifest names."""
    name = version_name(record.partition, version.number)
    facts = {
        "files": version.files,
        "bytes": version.bytes,
        "manifest": version.manifest_path,
        "manifest_hash": version.manifest_hash,
        "data_asset": f"{record.feed}:{name}",
        "reason": version.reason,
        "unusable": version.unusable.count or None,
    }
    node = Node(
        files_id(record.feed, name),
        "files",
        f"{version.files} files of {record.feed} {name}",
        at=version.snapshot_at,
        url=partition_url(record.feed, record.partition),
        facts=known(facts),
    )
    return Graph((node,)) + caused(version.cause, node.id)


def scoring_graph(claim: Claim) -> Graph:
    """Return the node of a scoring with its result, and the edge from its files."""
    record, generation, outcome = claim.record, claim.generation, claim.generation.outcome
    current = record.result == claim.name
    facts = {
        "state": generation.state.value,
        "current": current,
        "model": model_reference(generation.model_name, generation.model_version),
        "reason": generation.reason,
        "rows": outcome.rows if outcome else None,
        "errors": outcome.errors if outcome else None,
        "csv": outcome.csv if outcome else None,
        "error": generation.error,
    }
    node = Node(
        scoring_id(claim),
        "scoring",
        f"Scoring {claim.name} of {record.feed} is {generation.state.value}",
        at=generation.ended_at or generation.claimed_at,
        by=generation.by,
        url=f"{partition_url(record.feed, record.partition)}/jobs/{claim.name}",
        facts=known(facts),
    )
    graph = Graph((node,)).led_to(files_id(record.feed, claim.version_name), node.id)
    return graph + caused(generation.cause, node.id)


def job_graph(job: Job, *targets: str) -> Graph:
    """Return the node of a job, and the edges to what it made."""
    facts = {
        "code": job.pipeline,
        "cluster": job.cluster,
        "attempt": job.attempt,
        "status": job.status,
        "end": job.end.value if job.end else None,
        "reason": job.reason,
        "work": job.subject,
    }
    at, url = job.submitted_at, job_url(job.workspace, job.name)
    node = Node(job_id(job.workspace, job.name), "job", f"Job {job.name}", at=at, url=url, facts=known(facts))
    return Graph((node,)).led_to(node.id, *targets) + caused(job.cause, node.id)


def files_id(feed: str, version: str) -> str:
    return f"files {partition_subject(feed, version)}"


def scoring_id(claim: Claim) -> str:
    return f"scoring {partition_subject(claim.record.feed, claim.name)}"


def job_id(workspace: str, job: str) -> str:
    return f"job {job_subject(workspace, job)}"
