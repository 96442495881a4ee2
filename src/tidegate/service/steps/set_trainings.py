"""The trainings of model sets: on which partitions, and which forecasts are compared with actual values."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.config.model_policy import Policy
from tidegate.config.model_sets import ModelSet
from tidegate.config.schema import Feed
from tidegate.domain.assets import BLOBSTORE, datastore_name, datastore_uri
from tidegate.domain.jobs.plan import JobPlan
from tidegate.domain.lifecycle.promotion import champion_source
from tidegate.domain.lifecycle.records import Model
from tidegate.domain.lifecycle.retraining import job_of
from tidegate.domain.lifecycle.training_records import Comparison, Retraining
from tidegate.domain.model_sets.comparison import (
    COMPARISON,
    KEYS_TO_TRAIN,
    ComparisonOutcome,
    comparison_folder,
    read_comparison,
)
from tidegate.domain.model_sets.history import (
    History,
    PastVersion,
    asset_name,
    complete_versions,
    history_lines,
    history_path,
    newest_result,
)
from tidegate.domain.model_sets.jobs import SetOfModel, expected_folder, plan_comparison, plan_set_training
from tidegate.domain.partitions.names import predictions_path, result_order
from tidegate.errors import PermanentError
from tidegate.log import Log
from tidegate.service.context import ServiceContext
from tidegate.service.job_runner import read_output

log = Log(__name__)

_DEVELOPMENT = "development"


@dataclass(frozen=True)
class SetTrainings:
    """What a training or an evaluation of a set reads. Manifests are named by their content."""

    context: ServiceContext

    def history(self, model: str, set: ModelSet) -> History | None:
        """Return the newest complete partitions of the set's feed, or None if there is none."""
        versions = complete_versions(self.context.ledger.partitions(set.feed), set.history)
        return self._write_history(model, set, versions) if versions else None

    def newest(self, set: ModelSet) -> str | None:
        """Return the newest complete partition of the set's feed (`sales:202611-1`), or None."""
        versions = complete_versions(self.context.ledger.partitions(set.feed), 1)
        return asset_name(versions[0]) if versions else None

    def begin(
        self, model: Model, policy: Policy, signal: str, partition: str | None = None, by: str | None = None
    ) -> Retraining | None:
        """Return the training that a signal leads to, or None if there is nothing to train on.

        `partition` is the Data asset version that has arrived. Then, if there is a champion, its last
        forecasts are first compared with the actual values, to find out which keys are trained. `by` is the
        person who requested the training, and why.
        """
        assert policy.set is not None
        history = self.history(model.model, policy.set)
        if history is None:
            return None
        retraining = Retraining(
            signal=signal,
            job="",
            compute=policy.set.compute,
            data=list(history.names),
            since=self.context.now(),
            manifest=history.path,
            comparison=self._comparison(model, policy.set, partition) if partition else None,
            requested=by,
        )
        self._write_expected(model.model, policy.set, signal)
        return retraining.model_copy(update={"job": job_of(model.model, retraining, 1)})

    def plan(self, model: str, set: ModelSet, retraining: Retraining) -> JobPlan:
        """Plan the job of the training's present step."""
        of = self.set_of(model, set)
        if retraining.comparison:
            return plan_comparison(of, retraining, retraining.comparison)
        return plan_set_training(of, retraining)

    def set_of(self, model: str, set: ModelSet) -> SetOfModel:
        container = datastore_uri(datastore_name(self._feed(set).storage), "")
        return SetOfModel(model, set, container)

    def outcome(self, model: str, retraining: Retraining) -> ComparisonOutcome:
        """Return what a completed comparison found. Raise PermanentError if it cannot be read."""
        content = read_output(
            self.context.development, comparison_folder(model, retraining.signal) + COMPARISON
        )
        if content is None:
            raise PermanentError(f"{retraining.job} completed and left no {COMPARISON}")
        try:
            return read_comparison(content)
        except ValueError as error:
            raise PermanentError(f"{retraining.job}: {error}") from error

    def after(self, model: str, retraining: Retraining, outcome: ComparisonOutcome) -> Retraining:
        """Return the training of the keys that a comparison found."""
        assert retraining.comparison is not None
        changes = {
            "comparison": None,
            "attempt": 1,
            "previous": retraining.comparison.champion,
            "only_keys": comparison_folder(model, retraining.signal) + KEYS_TO_TRAIN,
            "keys": dict(outcome.keys),
        }
        training = retraining.model_copy(update=changes)
        return training.model_copy(update={"job": job_of(model, training, 1)})

    def _comparison(self, model: Model, set: ModelSet, partition: str) -> Comparison | None:
        """Return what is compared, or None if all keys are trained: there is no champion or no forecast.

        A champion that is no longer in development has no members to keep, so all keys are trained, too.
        """
        champion = champion_source(model)
        arrived = partition.partition(":")[2].partition("-")[0]
        if champion is None or set.training.keys == "all":
            return None
        if self.context.development.models.find(model.model, champion) is None:
            log.warning("champion_gone", model=model.model, version=champion)
            return None
        predictions = self._forecasts(model.model, set, arrived)
        actuals = [
            past
            for past in complete_versions(self.context.ledger.partitions(set.feed))
            if asset_name(past) == partition
        ]
        if predictions is None or not actuals:
            return None
        return Comparison(
            champion=champion,
            predictions=predictions,
            partition=arrived,
            actuals=self._write_history(model.model, set, actuals).path,
            earlier=model.compared,
        )

    def _forecasts(self, model: str, set: ModelSet, arrived: str) -> str | None:
        """Return the folder of the newest forecasts that the actual values of a partition can be about.

        A feed that the set scores itself has them in an earlier partition, and another feed perhaps in the
        same one.
        """
        for name, feed in self.context.config().feeds.items():
            if feed.score.model.partition(":")[0] != model or feed.workspace != _DEVELOPMENT:
                continue
            partitions = self.context.ledger.partitions(name)
            if name == set.feed:
                partitions = [partition for partition in partitions if partition.partition != arrived]
            if (scored := newest_result(partitions, arrived)) and scored.result:
                version, generation = result_order(scored.result)
                return predictions_path(name, scored.partition, version, generation)
        return None

    def _write_history(self, model: str, set: ModelSet, versions: Sequence[PastVersion]) -> History:
        feed, lines = self._feed(set), list[bytes]()
        datastores = self.context.workspace_of(feed).datastores
        for partition, version in versions:
            manifest = datastores.read(BLOBSTORE, version.manifest_path)
            lines += history_lines(manifest, feed.path.folder(partition.partition), partition.partition)
        path = history_path(model, lines)
        self.context.development.datastores.write(BLOBSTORE, path, [b"".join(lines)])
        return History(tuple(map(asset_name, versions)), path)

    def _write_expected(self, model: str, set: ModelSet, signal: str) -> None:
        if not set.expected:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, set.keys, lineterminator="\n")
        writer.writeheader()
        writer.writerows(set.expected)
        path = expected_folder(model, signal) + "keys.csv"
        self.context.development.datastores.write(BLOBSTORE, path, [text.getvalue().encode()])

    def _feed(self, set: ModelSet) -> Feed:
        return self.context.feed(set.feed)
