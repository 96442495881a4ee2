"""What stands behind the records of partitions, jobs and models, as graphs of facts for explanations."""

from dataclasses import dataclass

from tidegate.domain.activities.subjects import ScoringSubject, named_subjects
from tidegate.domain.explanations.graph import Graph
from tidegate.domain.explanations.model_facts import model_graph, model_id, signal_graph
from tidegate.domain.explanations.partition_facts import (
    files_graph,
    job_graph,
    job_id,
    scoring_graph,
    scoring_id,
)
from tidegate.domain.jobs.records import Job, JobKind
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.partitions.names import result_order
from tidegate.domain.partitions.records import Claim, Partition, PartitionVersion
from tidegate.service.context import ServiceContext

_MOST_SCORINGS = 20  # of a partition; the others are in the lists of the API
_TRAININGS = (JobKind.RETRAINING, JobKind.COMPARISON)


@dataclass(frozen=True)
class RecordGraphs:
    """Each method reads a handful of single records."""

    context: ServiceContext

    def scoring(self, claim: Claim) -> Graph:
        """Return what stands behind predictions: files, job, model, verdict and person."""
        graph = scoring_graph(claim) + files_graph(claim.record, claim.version) + self.job_of(claim)
        if model := self._scoring_model(claim):
            graph += self.model(model).led_to(model_id(model.model, model.version), scoring_id(claim))
        return graph

    def job_of(self, claim: Claim) -> Graph:
        feed, name = self.context.config().feeds.get(claim.record.feed), claim.generation.job
        job = self.context.ledger.job(feed.workspace, name) if feed and name else None
        return job_graph(job, scoring_id(claim)) if job else Graph()

    def _scoring_model(self, claim: Claim) -> ModelVersion | None:
        """Return the record of the model version that scored, which has another number in production."""
        ledger, generation = self.context.ledger, claim.generation
        name, version = generation.model_name, generation.model_version
        feed = self.context.config().feeds.get(claim.record.feed)
        if feed is None or feed.workspace == "development":
            return ledger.model_version(name, version)
        model = ledger.model(name)
        champions = [champion for champion in (model.champion, model.previous) if champion]
        sources = [champion.source for champion in champions if champion.version == version]
        if sources:
            return ledger.model_version(name, sources[0])
        versions = ledger.model_versions(name, open_only=False)
        copies = {record.promotion.production_version: record for record in versions if record.promotion}
        return copies.get(version)

    def model(self, record: ModelVersion) -> Graph:
        graph, id = model_graph(record), model_id(record.model, record.version)
        names = {record.source.run: id}
        if record.verdict:
            names[record.verdict.job] = f"verdict {record.model}:{record.version}"
        for name, target in names.items():
            job = self.context.ledger.job("development", name) if name else None
            graph += self.training(job, target) if job else Graph()
        return graph

    def training(self, job: Job, *targets: str) -> Graph:
        """Return a job, and of a training the signal that started it, with the scoring that was measured."""
        graph = job_graph(job, *targets)
        signals = self.context.ledger.model(job.owner).signals if job.kind in _TRAININGS else []
        for signal in (signal for signal in signals if signal.id == job.work):
            graph += signal_graph(job.owner, signal, job_id(job.workspace, job.name))
            for measured in named_subjects(signal.evidence.get("result", "")):
                if isinstance(measured, ScoringSubject) and (claim := self.claim(measured)):
                    graph += scoring_graph(claim) + files_graph(claim.record, claim.version)
        return graph

    def claim(self, subject: ScoringSubject) -> Claim | None:
        record = self.context.ledger.partition(subject.feed, subject.partition)
        return record.claim(subject.version, subject.generation)

    def job(self, job: Job) -> Graph:
        """Return a job with the work that it did."""
        if job.kind is JobKind.SCORING:
            partition, _, _ = job.work.partition("-")
            record = self.context.ledger.partition(job.owner, partition)
            claim = record.claim(*result_order(job.work))
            return job_graph(job, scoring_id(claim)) + self.scoring(claim) if claim else job_graph(job)
        if job.kind is JobKind.EVALUATION:
            judged = self.context.ledger.model_version(job.owner, job.work)
            return job_graph(job) + self.model(judged) if judged else job_graph(job)
        return self.training(job)

    def scorings(self, record: Partition, version: PartitionVersion) -> Graph:
        """Return the newest scorings of a version of a partition, with their jobs."""
        graph = Graph()
        for claim in [claim for claim in record.claims if claim.version is version][-_MOST_SCORINGS:]:
            graph += scoring_graph(claim) + self.job_of(claim)
        return graph

    def caused_parts(self, record: Partition, cause: str) -> Graph | None:
        """Return the versions and scorings of a partition that a cause led to, or None if there are none."""
        parts = Graph()
        for version in record.versions:
            parts += files_graph(record, version) if version.cause == cause else Graph()
        claims = [claim for claim in record.claims if cause in (claim.generation.cause, claim.version.cause)]
        for claim in claims[-_MOST_SCORINGS:]:
            parts += files_graph(record, claim.version) + scoring_graph(claim) + self.job_of(claim)
        return parts if parts.nodes else None
