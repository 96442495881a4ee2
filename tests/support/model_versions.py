"""An installation whose models have a policy, and model versions whose metrics the test chooses."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.installation import MLMODEL, ROOT, Installation
from tests.support.repeated_requests import Registration
from tidepool.cloud import Tidepool

MODEL = "classifier"
HOLDOUT = "holdout:4"
QUICK_EVALUATION = ROOT / "tests/stories/quick_evaluation/pipeline.yml"
POLICY: dict[str, Any] = {
    "evaluate": {"pipeline": "quick_evaluation", "data": HOLDOUT, "compute": "cpu"},
    "gate": {"metrics": {"accuracy": {"min": 0.8, "champion_tolerance": 0.005}}},
}

_EVALUATION = Registration()


class ModelInstallation(Installation):
    """An installation whose `models` have a policy: POLICY with the changes in `policy`."""

    def __init__(
        self,
        cloud: Tidepool,
        folder: Path,
        *,
        policy: dict[str, Any] | None = None,
        models: Sequence[str] = (MODEL,),
        **feed: Any,
    ) -> None:
        self._folder = folder
        self._policies = {model: {**POLICY, **(policy or {})} for model in models}
        self._keys_of_feed = feed
        super().__init__(cloud, folder, models=self._policies, **feed)
        self.register_holdout()
        self.make_once(_EVALUATION, self._register_evaluation)

    def change(self, model: str = MODEL, **policy: Any) -> None:
        """Change keys of a model's policy from now on."""
        self._policies[model] |= policy
        self.configure(models=self._policies, **self._keys_of_feed)

    def register(self, version: str, accuracy: Any = 0.9, **more: Any) -> None:
        """Register a version whose evaluation finds this accuracy.

        `more` may have `name` and `tags` of the model, and `n`, `slices` and `metrics` of the evidence.
        """
        from azure.ai.ml.entities import Model

        tags, name = more.pop("tags", {}), more.pop("name", MODEL)
        folder = self._folder / f"{name}-{version}"
        folder.mkdir(exist_ok=True)
        (folder / "MLmodel").write_text(MLMODEL)
        figures = {"metrics": {"accuracy": accuracy}, **more}
        (folder / "figures.json").write_text(json.dumps(figures))
        model = Model(name=name, version=version, path=folder, type="mlflow_model", tags=tags)
        self.ml.models.create_or_update(model)

    def register_holdout(self, data: str = HOLDOUT, columns: str = "image label") -> None:
        from azure.ai.ml.entities import Data

        name, _, version = data.partition(":")
        folder = self._folder / f"{name}-{version}"
        folder.mkdir(exist_ok=True)
        (folder / "columns.txt").write_text(columns)
        self.ml.data.create_or_update(Data(name=name, version=version, path=folder, type="uri_folder"))

    def evaluations(self, model: str = "") -> dict[str, str]:
        """Return the status of each evaluation job in Azure ML by name, of all models or of one."""
        ours = f"judge-{model}-" if model else "judge-"
        return {job.name: job.status for job in self.ml.jobs.list() if job.name.startswith(ours)}

    def _register_evaluation(self) -> None:
        from azure.ai.ml import load_component

        self.ml.components.create_or_update(load_component(QUICK_EVALUATION), version="1")
