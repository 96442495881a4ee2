"""An installation whose feed is scored with a model that is trained again after drift."""

from pathlib import Path
from typing import Any

from tests.support.installation import ROOT, SCORE
from tests.support.model_versions import MODEL, ModelInstallation
from tests.support.repeated_requests import Registration
from tidepool.cloud import Tidepool

RETRAINING = ROOT / "tests/stories/quick_retraining/pipeline.yml"
LIGHT = {"a.png": "cat", "b.png": "dog"}
DARK = {"a.png": "dark", "b.png": "dark"}
DRIFT = {"feed": "stories", "breaches": 1, "of_last": 3, "retrain": "quick_retraining", "partitions": 2}

_RETRAINING = Registration()


class DriftInstallation(ModelInstallation):
    """Its partitions are scored with the model that has the policy.

    `drift` changes keys of DRIFT, and `feed` keys of the feed.
    """

    def __init__(
        self, cloud: Tidepool, folder: Path, *, drift: dict[str, Any] | None = None, **feed: Any
    ) -> None:
        self._feed = feed
        super().__init__(cloud, folder, policy={"drift": {**DRIFT, **(drift or {})}})
        self.register("1", accuracy=0.9)
        self.make_once(_RETRAINING, self._register_retraining)

    def configure(self, **changes: Any) -> None:
        super().configure(**{"score": {**SCORE, "model": MODEL}, **self._feed, **changes})

    def _register_retraining(self) -> None:
        from azure.ai.ml import load_component

        self.ml.components.create_or_update(load_component(RETRAINING), version="1")

    def retrainings(self) -> dict[str, str]:
        """Return the status of each retraining job by name."""
        return {job.name: job.status for job in self.ml.jobs.list() if job.name.startswith("retrain-")}
