"""FinishPartition: reconcile a completed job's output, record the result, register the predictions."""

from dataclasses import dataclass

from pydantic import ValidationError

from tidegate.config.schema import Feed
from tidegate.domain.activities import scoring_texts
from tidegate.domain.assets import BLOBSTORE, DataAsset, datastore_uri
from tidegate.domain.partitions.names import predictions_asset, predictions_path, profile_path
from tidegate.domain.partitions.records import Claim, ScoringState
from tidegate.domain.partitions.result import CSV, RECONCILIATION, Reconciliation, Result, decide_result
from tidegate.messages.commands import CheckPartition, FinishPartition, Follows, Next, WeighDrift
from tidegate.service.context import ServiceContext
from tidegate.service.job_runner import read_output
from tidegate.service.steps.catching_up import CatchingUp
from tidegate.service.steps.generation_claims import advances_backfill, end_generation
from tidegate.service.steps.version_registration import VersionRegistration


@dataclass(frozen=True)
class FinishPartitionHandler:
    """The order is: Data asset, ledger, notification. Thus each result in the ledger has its Data asset."""

    context: ServiceContext
    versions: VersionRegistration
    catching_up: CatchingUp

    def handle(self, command: FinishPartition) -> Follows:
        feed = self.context.feed(command.feed)
        record = self.context.ledger.partition(command.feed, command.partition)
        claim = record.claim(command.version, command.generation)
        if claim is None:
            return []
        match claim.generation.state:
            case ScoringState.CLAIMED | ScoringState.SUBMITTED:
                return []
            case ScoringState.JOB_COMPLETED:
                announced = self._finish(feed, claim, command.cause)
            case _:
                repeated = self.context.announce(scoring_texts.generation_ended(claim, command.cause))
                announced = [repeated, *advances_backfill(claim, command.cause)]
        if claim.generation.state is ScoringState.SUPERSEDED:
            check = CheckPartition(cause=command.cause, feed=command.feed, partition=command.partition)
            return [*announced, Next(check)]
        scorings = self.catching_up.due_scorings(command.feed, command.cause)
        return [*announced, *self._weigh_drift(claim, command), *map(Next, scorings)]

    def _weigh_drift(self, claim: Claim, command: FinishPartition) -> list[Next]:
        """Return the command that weighs the measured drift, if the policy of the model asks for it.

        A backfill says nothing new about the present data, so it starts no training.
        """
        model = claim.generation.model_name
        policy = self.context.policy(model)
        scored = claim.generation.state is ScoringState.SCORED and not claim.generation.backfill
        if not (scored and policy and policy.drift and policy.drift.feed == command.feed):
            return []
        of = f"{command.feed}:{claim.name}"
        return [Next(WeighDrift(cause=command.cause, model=model, source="measurement", of=of))]

    def _finish(self, feed: Feed, claim: Claim, cause: str) -> list[Next]:
        result = self._result(feed, claim)
        claim.version.profile = self._profile(feed, claim) or claim.version.profile
        if result.counts:
            self._register(feed, claim)
        return end_generation(self.context, claim, result, cause)

    def _result(self, feed: Feed, claim: Claim) -> Result:
        """Return whether the predictions cover the manifest, and add their figures to the generation."""
        workspace, folder = self.context.workspace_of(feed), _folder(claim)
        content = read_output(workspace, folder + RECONCILIATION)
        if content is None:
            return Result(ScoringState.FAILED, f"the job completed and left no {RECONCILIATION}")
        try:
            published = Reconciliation.model_validate_json(content)
        except ValidationError as error:
            why = f"{RECONCILIATION} cannot be read: {error.errors(include_url=False)[0]['msg']}"
            return Result(ScoringState.FAILED, why)
        claim.generation.outcome = published.outcome(workspace.datastores.url(BLOBSTORE, folder + CSV))
        return decide_result(published, claim, self._changed_files(feed, claim))

    def _changed_files(self, feed: Feed, claim: Claim) -> list[str]:
        """Return the files of the manifest that were changed or deleted since it was taken."""
        partition, since = claim.record.partition, claim.generation.claimed_at
        listing = self.versions.list_files(feed, partition)
        return self.versions.looks.changed_files(feed, partition, claim.version, listing, since)

    def _profile(self, feed: Feed, claim: Claim) -> str | None:
        """Return the URL of the profile of the version's files, or None if no pipeline wrote one."""
        path = profile_path(claim.record.feed, claim.record.partition, claim.version.number)
        datastores = self.context.workspace_of(feed).datastores
        return datastores.url(BLOBSTORE, path) if datastores.exists(BLOBSTORE, path) else None

    def _register(self, feed: Feed, claim: Claim) -> None:
        assets, asset = self.context.workspace_of(feed).assets, _predictions(claim)
        if assets.data_tags(asset.name, asset.version) is None:
            assets.register_data(asset)


def _folder(claim: Claim) -> str:
    return predictions_path(**claim.ids)


def _predictions(claim: Claim) -> DataAsset:
    """Return the folder of the predictions as a Data asset, with its lineage in the tags."""
    record, generation, outcome = claim.record, claim.generation, claim.generation.outcome
    lineage = {
        "feed": record.feed,
        "partition": record.partition,
        "version": claim.version_name,
        "generation": str(generation.number),
        "data": f"{record.feed}:{claim.version_name}",
        "manifest": claim.version.manifest_hash,
        "model": f"{generation.model_name}:{generation.model_version}",
        "job": generation.job or "",
        "files": str(outcome.files) if outcome else "",
        "errors": str(outcome.errors) if outcome else "",
    }
    return DataAsset(
        name=predictions_asset(record.feed),
        version=claim.name,
        path=datastore_uri(BLOBSTORE, _folder(claim)),
        description=f"Predictions for {record.feed} {claim.version_name}: {generation.reason}",
        tags={f"tidegate_{key}": value for key, value in lineage.items()},
    )
