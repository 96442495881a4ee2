"""The versions of model sets: their tags, their evaluation, and the winners that become a version."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tidegate.cloud.assets import datastore_path_of
from tidegate.config.model_policy import Policy
from tidegate.config.model_sets import MOST_FILES, ModelSet
from tidegate.domain.assets import BLOBSTORE, datastore_uri
from tidegate.domain.jobs.plan import JobPlan
from tidegate.domain.lifecycle.file_copy import files_fingerprint
from tidegate.domain.lifecycle.records import ModelSource, ModelState, ModelVersion
from tidegate.domain.lifecycle.verdict_records import Evaluation, Verdict
from tidegate.domain.model_sets.facts import ASSEMBLED_TAG
from tidegate.domain.model_sets.jobs import plan_set_evaluation, winners_folder
from tidegate.errors import ConflictError, PermanentError
from tidegate.log import Log
from tidegate.service.context import ServiceContext
from tidegate.service.steps.set_indexes import SetIndexes
from tidegate.service.steps.set_trainings import SetTrainings

if TYPE_CHECKING:
    from tidegate.cloud.copies import BlobCopyClient
    from tidegate.domain.lifecycle.lineage import RegisteredModel

log = Log(__name__)

_MOST_LISTED = 50


@dataclass(frozen=True)
class SetVersions:
    """The steps of judging that only model sets have. Each can be repeated after a crash at any point."""

    context: ServiceContext
    copies: "BlobCopyClient"
    indexes: SetIndexes
    trainings: SetTrainings

    def tag(self, record: ModelVersion) -> None:
        """Tag a version with what is in it, so that people find sets by their tags."""
        facts = self.indexes.facts(record.model, record.version)
        if facts is not None:
            self.context.development.assets.tag_model(record.model, record.version, facts.tags)

    def with_holdout(self, record: ModelVersion, set: ModelSet, evaluation: Evaluation) -> Evaluation:
        """Return the evaluation with the partitions that are newest now as its holdout."""
        history = self.trainings.history(record.model, set)
        if history is None:
            return evaluation
        return evaluation.model_copy(update={"data": history.label, "manifest": history.path})

    def plan_evaluation(
        self, policy: Policy, set: ModelSet, record: ModelVersion, evaluation: Evaluation
    ) -> JobPlan:
        """Plan the job that judges a set."""
        return plan_set_evaluation(self.trainings.set_of(record.model, set), policy, record, evaluation)

    def files_problem(self, record: ModelVersion) -> str | None:
        """Return why the winners of the version's evaluation cannot be registered, or None if they can."""
        assert record.evaluation is not None
        folder = winners_folder(record, record.evaluation)
        files = self.copies.list_files(self.context.development.datastores.folder(BLOBSTORE, folder))
        if not any(file.name == "MLmodel" for file in files):
            return f"the evaluation completed and left no model of the winners in {folder}"
        if len(files) > MOST_FILES:
            return (
                f"the winners have {len(files)} files, and a model version has at most {MOST_FILES}: "
                "train all keys again (tidegate retrain)"
            )
        return None

    def assemble(self, record: ModelVersion, verdict: Verdict) -> ModelVersion:
        """Register the winners of the version's evaluation as the next version, with the same verdict.

        Its files have a fingerprint of their own, so that exactly these can be promoted. Raise ConflictError
        if another version got the same number.
        """
        assert record.evaluation is not None
        development, folder = self.context.development, winners_folder(record, record.evaluation)
        uri, source = datastore_uri(BLOBSTORE, folder), development.models.find(record.model, record.version)
        if source is None:
            raise PermanentError(f"development no longer has {record.model}:{record.version}")
        version = self._registered(record, folder) or self._register(record, source, uri)
        known = self.context.ledger.model_version(record.model, version)
        if known is not None:
            return known
        files = self.copies.list_files(development.datastores.folder(BLOBSTORE, folder))
        fingerprint = files_fingerprint(files)
        assembled = ModelVersion(
            model=record.model,
            version=version,
            state=ModelState.PASSED,
            registered_at=self.context.now(),
            source=ModelSource(run=verdict.job, uri=uri, data=record.source.data),
            evaluation=record.evaluation.model_copy(update={"files": fingerprint}),
            verdict=verdict.model_copy(update={"files": fingerprint}),
            assembled_from=record.version,
        )
        self.context.ledger.save(assembled)
        self.tag(assembled)
        log.info("winners_registered", model=record.model, version=version, from_version=record.version)
        return assembled

    def _registered(self, record: ModelVersion, folder: str) -> str | None:
        """Return the version that holds these winners, if they were registered before a crash."""
        models = self.context.development.models
        for listed in models.newest(record.model, _MOST_LISTED):
            if listed.tags.get(ASSEMBLED_TAG) == record.version:
                found = models.find(record.model, listed.version)
                if found and datastore_path_of(found.uri)[1].rstrip("/") == folder:
                    return listed.version
        return None

    def _register(self, record: ModelVersion, source: "RegisteredModel", uri: str) -> str:
        models = self.context.development.models
        numbers = [
            int(listed.version)
            for listed in models.newest(record.model, _MOST_LISTED)
            if listed.version.isdecimal()
        ]
        version = str(max(numbers, default=0) + 1)
        models.register(
            replace(source, version=version, uri=uri, run="", tags={ASSEMBLED_TAG: record.version})
        )
        found = models.find(record.model, version)
        if found is None or found.tags.get(ASSEMBLED_TAG) != record.version:
            raise ConflictError(f"{record.model}:{version} was registered by somebody else at the same time")
        return version
