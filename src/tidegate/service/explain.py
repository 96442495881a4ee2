"""Explain what led to something and what came of it, with a handful of reads of single records."""

from dataclasses import dataclass

from tidegate.domain.activities.subjects import (
    SPELLINGS,
    ActivitySubject,
    BlobSubject,
    CauseSubject,
    JobSubject,
    ModelSubject,
    ModelVersionSubject,
    NamedSubject,
    PartitionSubject,
    PartitionVersionSubject,
    ScoringSubject,
    named_subjects,
)
from tidegate.domain.effects import Effect
from tidegate.domain.explanations.graph import (
    Graph,
    activity_graph,
    cause_id,
    cause_node,
    caused,
    causes_of,
    effect_graph,
)
from tidegate.domain.explanations.model_facts import champion_graph, champion_id, model_graph, model_id
from tidegate.domain.explanations.partition_facts import (
    files_graph,
    files_id,
    job_graph,
    job_id,
    scoring_graph,
    scoring_id,
)
from tidegate.domain.jobs.records import Job, JobKind
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.partitions.names import result_order, version_name
from tidegate.domain.partitions.records import Claim, Partition
from tidegate.errors import RefusedError
from tidegate.service.context import ServiceContext

_MOST_SCORINGS = 20  # of a partition; the others are in the lists of the API
_LONGEST_SUBJECT = 2000


@dataclass(frozen=True)
class Explanation:
    """A graph, and the id of the node that the question was about."""

    about: str
    graph: Graph


@dataclass(frozen=True)
class ExplainService:
    """Each kind of subject has a method that reads its records. Causes are added at the end."""

    context: ServiceContext

    def explain(self, text: str) -> Explanation:
        """Return the explanation of a subject as people write it: see SPELLINGS.

        Raise RefusedError if the ledger has nothing of that name.
        """
        for subject in named_subjects(text.strip()[:_LONGEST_SUBJECT]):
            if found := self._explain(subject):
                return Explanation(found.about, self._with_causes(found.graph))
        spellings = "; ".join(f"{what} ({example})" for what, example in SPELLINGS)
        detail = (
            f"Nothing in the ledger is called {text[:200]!r}. Of the blob events of one look, the ledger has "
            f"only the first and the last: ask about the partition. What can be explained: {spellings}"
        )
        raise RefusedError(404, "Not found", detail)

    def _explain(self, subject: NamedSubject) -> Explanation | None:
        explanation: Explanation | None = None
        match subject:
            case ScoringSubject():
                record = self.context.ledger.partition(subject.feed, subject.partition)
                claim = record.claim(subject.version, subject.generation)
                explanation = Explanation(scoring_id(claim), self._scoring(claim)) if claim else None
            case PartitionVersionSubject(feed, partition, number):
                explanation = self._partition(feed, partition, number)
            case PartitionSubject(feed, partition):
                explanation = self._partition(feed, partition)
            case BlobSubject(path):
                explanation = self._blob(path)
            case ModelVersionSubject(model, version):
                found = self.context.ledger.model_version(model, version)
                explanation = Explanation(model_id(model, version), self._model(found)) if found else None
            case ModelSubject(model):
                explanation = self._champion(model)
            case JobSubject(workspace, name):
                job = self.context.ledger.job(workspace, name)
                explanation = Explanation(job_id(workspace, name), self._job(job)) if job else None
            case ActivitySubject(id):
                explanation = self._activity(id)
            case CauseSubject(id):
                explanation = self._cause(id)
        return explanation

    def _blob(self, path: str) -> Explanation | None:
        """Explain the partition that a blob of a feed belongs to. A whole URL is understood, too."""
        for name, feed in self.context.config().feeds.items():
            _, found, inside = f"/{path.partition('?')[0]}".partition(f"/{feed.storage.container}/")
            split = feed.path.split(inside) if found else None
            if split and feed.covers(split[0]):
                return self._partition(name, split[0])
        return None

    def _partition(self, feed: str, partition: str, number: int | None = None) -> Explanation | None:
        record = self.context.ledger.partition(feed, partition)
        version = record.version(number) if number else record.latest
        if version is None:
            return None
        graph = files_graph(record, version)
        claims = [claim for claim in record.claims if claim.version is version]
        for claim in claims[-_MOST_SCORINGS:]:
            graph += scoring_graph(claim) + self._job_of(claim)
        return Explanation(files_id(feed, version_name(partition, version.number)), graph)

    def _scoring(self, claim: Claim) -> Graph:
        """Return what stands behind predictions: files, job, model, verdict and person."""
        graph = scoring_graph(claim) + files_graph(claim.record, claim.version) + self._job_of(claim)
        if model := self._scoring_model(claim):
            graph += self._model(model).led_to(model_id(model.model, model.version), scoring_id(claim))
        return graph

    def _job_of(self, claim: Claim) -> Graph:
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
        copies = (record for record in versions if record.promotion)
        return next((copy for copy in copies if _production_version(copy) == version), None)

    def _model(self, record: ModelVersion) -> Graph:
        graph, id = model_graph(record), model_id(record.model, record.version)
        names = {record.source.run: id}
        if record.verdict:
            names[record.verdict.job] = f"verdict {record.model}:{record.version}"
        for name, target in names.items():
            job = self.context.ledger.job("development", name) if name else None
            graph += job_graph(job, target) if job else Graph()
        return graph

    def _champion(self, name: str) -> Explanation | None:
        model = self.context.ledger.model(name)
        if model.etag is None:
            return None
        graph = champion_graph(model)
        champion = model.champion
        record = self.context.ledger.model_version(name, champion.source) if champion else None
        return Explanation(champion_id(name), graph + self._model(record) if record else graph)

    def _job(self, job: Job) -> Graph:
        """Return a job with the work that it did."""
        if job.kind is JobKind.SCORING:
            partition, _, _ = job.work.partition("-")
            record = self.context.ledger.partition(job.owner, partition)
            claim = record.claim(*result_order(job.work))
            return job_graph(job, scoring_id(claim)) + self._scoring(claim) if claim else job_graph(job)
        if job.kind is JobKind.EVALUATION:
            judged = self.context.ledger.model_version(job.owner, job.work)
            return job_graph(job) + self._model(judged) if judged else job_graph(job)
        return job_graph(job)

    def _activity(self, id: str) -> Explanation | None:
        for pointer in self.context.ledger.effects.of(id):
            activity = self.context.ledger.activity(pointer.subject, str(pointer.activity))
            if activity:
                return Explanation(f"activity {activity.short_id}", activity_graph(activity))
        return None

    def _cause(self, id: str) -> Explanation | None:
        """Return what came of an event, a request or a tick of the timer."""
        effects = self.context.ledger.effects.of(id)
        if not effects:
            return None
        if of := next((effect.of for effect in effects if effect.of), None):
            id, effects = of, self.context.ledger.effects.of(of)
        graph = Graph((cause_node(id, effects),))
        for effect in effects:
            graph += self._effect(effect)
        return Explanation(cause_id(id), graph)

    def _effect(self, effect: Effect) -> Graph:
        if effect.activity:
            activity = self.context.ledger.activity(effect.subject, effect.activity)
            return activity_graph(activity) if activity else Graph()
        for subject in named_subjects(effect.subject):
            if isinstance(subject, PartitionSubject):
                record = self.context.ledger.partition(subject.feed, subject.partition)
                if caused_here := self._caused_parts(record, effect.cause):
                    return caused_here
            elif isinstance(subject, JobSubject | ModelVersionSubject) and (found := self._explain(subject)):
                return found.graph + caused(effect.cause, found.about)
        return effect_graph(effect)

    def _caused_parts(self, record: Partition, cause: str) -> Graph | None:
        """Return the versions and scorings of a partition that a cause led to, or None if there are none."""
        parts = Graph()
        for version in record.versions:
            parts += files_graph(record, version) if version.cause == cause else Graph()
        claims = [claim for claim in record.claims if cause in (claim.generation.cause, claim.version.cause)]
        for claim in claims[-_MOST_SCORINGS:]:
            parts += files_graph(record, claim.version) + scoring_graph(claim) + self._job_of(claim)
        return parts if parts.nodes else None

    def _with_causes(self, graph: Graph) -> Graph:
        """Return the graph with the node of each cause that leads to something in it."""
        for cause in causes_of(graph):
            graph += Graph((cause_node(cause, self.context.ledger.effects.of(cause)),))
        return graph


def _production_version(record: ModelVersion) -> str | None:
    return record.promotion.production_version if record.promotion else None
