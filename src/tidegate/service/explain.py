"""Explain what led to something and what came of it, with a handful of reads of single records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

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
from tidegate.domain.explanations.model_facts import (
    champion_graph,
    champion_id,
    model_id,
)
from tidegate.domain.explanations.partition_facts import (
    files_graph,
    files_id,
    job_id,
    scoring_id,
)
from tidegate.domain.partitions.names import version_name
from tidegate.errors import RefusedError
from tidegate.service.context import ServiceContext
from tidegate.service.reads import begin
from tidegate.service.record_graphs import RecordGraphs
from tidegate.service.steps.archived_history import ArchivedHistory

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
    records: RecordGraphs
    archive: ArchivedHistory

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
                claim = self.records.claim(subject)
                explanation = Explanation(scoring_id(claim), self.records.scoring(claim)) if claim else None
            case PartitionVersionSubject(feed, partition, number):
                explanation = self._partition(feed, partition, number)
            case PartitionSubject(feed, partition):
                explanation = self._partition(feed, partition)
            case BlobSubject(path):
                explanation = self._blob(path)
            case ModelVersionSubject(model, version):
                found = self.context.ledger.model_version(model, version)
                explanation = (
                    Explanation(model_id(model, version), self.records.model(found)) if found else None
                )
            case ModelSubject(model):
                explanation = self._champion(model)
            case JobSubject(workspace, name):
                job = self.context.ledger.job(workspace, name)
                explanation = Explanation(job_id(workspace, name), self.records.job(job)) if job else None
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
        graph = files_graph(record, version) + self.records.scorings(record, version)
        return Explanation(files_id(feed, version_name(partition, version.number)), graph)

    def _champion(self, name: str) -> Explanation | None:
        model = self.context.ledger.model(name)
        if model.etag is None:
            return None
        graph = champion_graph(model)
        champion = model.champion
        record = self.context.ledger.model_version(name, champion.source) if champion else None
        return Explanation(champion_id(name), graph + self.records.model(record) if record else graph)

    def _activity(self, id: str) -> Explanation | None:
        pointers = self.context.ledger.effects.of(id)
        recorded = (self.context.ledger.activity(each.subject, str(each.activity)) for each in pointers)
        activity = next(filter(None, recorded), None) or self.archive.activity(id)
        if activity is None:
            return None
        return Explanation(f"activity {activity.short_id}", activity_graph(activity))

    def _cause(self, id: str) -> Explanation | None:
        """Return what came of an event, a request or a tick of the timer."""
        effects = self.context.ledger.effects.of(id)
        if not effects:
            return self._archived_cause(id)
        if of := next((effect.of for effect in effects if effect.of), None):
            id, effects = of, self.context.ledger.effects.of(of)
        graph = Graph((cause_node(id, effects),))
        for effect in effects:
            graph += self._effect(effect)
        return Explanation(cause_id(id), graph)

    def _archived_cause(self, id: str) -> Explanation | None:
        """Return what came of a cause whose effects moved to the lake."""
        effects = self.archive.effects([id])
        if not effects:
            return None
        graph = Graph((cause_node(id, effects),))
        for activity in self.archive.activities_of(id):
            graph += activity_graph(activity)
        for effect in (effect for effect in effects if not effect.activity):
            graph += self._effect(effect)
        return Explanation(cause_id(id), graph)

    def _effect(self, effect: Effect) -> Graph:
        if effect.activity:
            activity = self.context.ledger.activity(effect.subject, effect.activity)
            return activity_graph(activity) if activity else Graph()
        for subject in named_subjects(effect.subject):
            if isinstance(subject, PartitionSubject):
                record = self.context.ledger.partition(subject.feed, subject.partition)
                if caused_here := self.records.caused_parts(record, effect.cause):
                    return caused_here
            elif isinstance(subject, JobSubject | ModelVersionSubject) and (found := self._explain(subject)):
                return found.graph + caused(effect.cause, found.about)
        return effect_graph(effect)

    def _with_causes(self, graph: Graph) -> Graph:
        """Return the graph with the node of each cause that leads to something in it."""
        ledger = self.context.ledger
        reads = {cause: begin(partial(ledger.effects.of, cause)) for cause in causes_of(graph)}
        effects = {cause: read() for cause, read in reads.items()}
        for effect in self.archive.effects(self._moved(graph, effects)):
            effects[effect.cause].append(effect)
        for cause, known in effects.items():
            graph += Graph((cause_node(cause, known),))
        return graph

    def _moved(self, graph: Graph, effects: Mapping[str, Sequence[Effect]]) -> set[str]:
        """Return the causes without effects of what is older than the ledger keeps them."""
        retention = self.context.config().retention
        if retention is None or retention.activities is None:
            return set()
        kept_since = self.context.now() - retention.activities
        old = {node.id for node in graph.nodes if node.at and node.at < kept_since}
        sources = {edge.source for edge in graph.edges if edge.target in old}
        return {cause for cause, known in effects.items() if not known and cause_id(cause) in sources}
