"""FinishMonth: from a completed job to a result that counts, or one that does not. Starts nothing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tidegate.config.schema import Feed
from tidegate.domain.activities import month_texts as notifications
from tidegate.domain.assets import BLOBSTORE, DataAsset, datastore_uri
from tidegate.domain.partitions.manifest import Manifest
from tidegate.domain.partitions.names import predictions_asset, predictions_path
from tidegate.domain.partitions.records import Claim, ScoringState
from tidegate.domain.partitions.result import CSV, RECONCILIATION, Reconciliation, Result, decide_result
from tidegate.errors import NotFoundError
from tidegate.messages.commands import CheckMonth, FinishMonth, Follows, Next, WeighDrift
from tidegate.service.context import ServiceContext
from tidegate.service.steps.generation_claims import end_generation
from tidegate.service.steps.partition_versions import PartitionVersions

if TYPE_CHECKING:
    from tidegate.cloud.datastores import DatastoreClient


@dataclass(frozen=True, kw_only=True)
class FinishMonthHandler:
    """The asset first, then the ledger, then the news: what is recorded as scored can be found."""

    context: ServiceContext
    versions: PartitionVersions

    def handle(self, command: FinishMonth) -> Follows:
        feed = self.context.feed(command.feed)
        claim = self.context.ledger.month(command.feed, command.month).claim(
            command.version, command.generation
        )
        if claim is None:
            return []
        match claim.generation.state:
            case ScoringState.CLAIMED | ScoringState.SUBMITTED:
                return []
            case ScoringState.JOB_COMPLETED:
                told = self._finish(feed, claim, command.cause)
            case _:
                told = self.context.announce(notifications.generation_ended(claim, command.cause))
        if claim.generation.state is ScoringState.SUPERSEDED:
            return [told, Next(CheckMonth(cause=command.cause, feed=command.feed, month=command.month))]
        return [told, *self._weigh(claim, command)]

    def _weigh(self, claim: Claim, command: FinishMonth) -> list[Next]:
        """What was measured of drift, for the model that scored the month, where a policy asks for it."""
        model = claim.generation.model_name
        policy = self.context.policy(model)
        scored = claim.generation.state is ScoringState.SCORED
        if not (scored and policy and policy.drift and policy.drift.feed == command.feed):
            return []
        of = f"{command.feed}:{claim.name}"
        return [Next(WeighDrift(cause=command.cause, model=model, source="measurement", of=of))]

    def _finish(self, feed: Feed, claim: Claim, cause: str) -> Next:
        result = self._result(feed, claim)
        if result.counts:
            self._register(feed, claim)
        return end_generation(self.context, claim, result, cause)

    def _result(self, feed: Feed, claim: Claim) -> Result:
        """Reads what was published into the generation's outcome, and looks whether it still holds."""
        datastores = self.context.workspace_of(feed).datastores
        folder = _folder(claim)
        try:
            published = Reconciliation.model_validate_json(
                datastores.read(BLOBSTORE, folder + RECONCILIATION)
            )
        except NotFoundError:
            return Result(ScoringState.FAILED, f"the job completed and left no {RECONCILIATION}")
        except ValidationError as error:
            why = f"{RECONCILIATION} cannot be read: {error.errors(include_url=False)[0]['msg']}"
            return Result(ScoringState.FAILED, why)
        csv = datastores.url(BLOBSTORE, folder + CSV)
        claim.generation.outcome = published.outcome(csv)
        return decide_result(published, claim, self._changed(feed, claim, datastores))

    def _changed(self, feed: Feed, claim: Claim, datastores: "DatastoreClient") -> list[str]:
        manifest = Manifest.from_text(datastores.read(BLOBSTORE, claim.version.manifest_path).decode())
        seen = self.versions.list_files(feed, claim.record.month)
        return manifest.changed_in((*seen.files, *seen.others))

    def _register(self, feed: Feed, claim: Claim) -> None:
        assets = self.context.workspace_of(feed).assets
        asset = _predictions(claim)
        if assets.data_tags(asset.name, asset.version) is None:
            assets.register_data(asset)


def _folder(claim: Claim) -> str:
    return predictions_path(**claim.ids)


def _predictions(claim: Claim) -> DataAsset:
    """The published folder, with its lineage."""
    record, generation, outcome = claim.record, claim.generation, claim.generation.outcome
    lineage = {
        "feed": record.feed,
        "month": record.month,
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
        tags={f"tidegate_{word}": text for word, text in lineage.items()},
    )
