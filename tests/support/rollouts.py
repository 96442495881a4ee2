"""Rollouts of models to an endpoint that really serves them, with a clock moved by hand."""

import json
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import requests
from azure.core.exceptions import ResourceNotFoundError

from tests.support.promotions import MODEL, Promotions
from tests.support.service import take_commands
from tidegate.domain.lifecycle.rollout_records import RolloutRecord
from tidegate.messages.commands import AdvanceRollout, AnyCommand, Notify, PromoteModel, RollbackModel
from tidepool.cloud import Tidepool

ENDPOINT = "classifier"
QUESTION = {"input_data": [[1.0, 2.0]]}
MLMODEL = "flavors: {python_function: {loader_module: tells_version, code: code}}\n"
LOADER = """
class Model:
    def predict(self, data, params=None):
        return [VERSION for _ in range(len(data))]

def _load_pyfunc(path):
    return Model()
"""
ROLLOUT: dict[str, Any] = {
    "endpoint": ENDPOINT,
    "steps": [10, 100],
    "bake": "30m",
    "smoke": "smoke.json",
    "min_requests": 20,
}

_FOLLOWED = (PromoteModel, AdvanceRollout, RollbackModel)


class Rollouts(Promotions):
    """Promotions whose policy has a rollout: ROLLOUT with the changes in `rollout`.

    Callers and the smoke test ask `question`.
    """

    question: ClassVar[dict[str, Any]] = QUESTION

    def __init__(self, cloud: Tidepool, folder: Path, **rollout: Any) -> None:
        (folder / "smoke.json").write_text(json.dumps(self.question))
        super().__init__(cloud, folder, rollout={**ROLLOUT, **rollout})
        self.clock.now = datetime.now(UTC)
        self.waiting: list[AnyCommand] = []

    def register(self, version: str, tags: dict[str, str] | None = None) -> None:
        """Register a model that answers with its version."""
        from azure.ai.ml.entities import Model

        model = self.folder / f"model-{version}"
        (model / "code").mkdir(parents=True)
        (model / "MLmodel").write_text(MLMODEL)
        (model / "code/tells_version.py").write_text(f"VERSION = {version!r}\n{LOADER}")
        self.ml.models.create_or_update(
            Model(name=MODEL, version=version, path=model, type="mlflow_model", tags=tags or {})
        )

    def roll(
        self, *given: AnyCommand, until: str = "", twice: bool = False, rounds: int = 200
    ) -> list[AnyCommand]:
        """Carry out commands and the promotions and rollouts that follow. Return the other commands.

        It ends when no command is left, or when a rollout is in the phase or at the percentage that `until`
        names (`baking`, `10`). `twice` carries each command out twice, as Azure Storage may deliver it.
        """
        queue, rest = deque([*given, *self.waiting]), []
        self.waiting = []
        for _ in range(rounds):
            if not queue:
                return rest
            command = queue.popleft()
            self.carry_out(command)
            if twice:
                self.carry_out(command)
            follows = list(dict.fromkeys(take_commands(self.cloud, self.account)))
            queue.extend(command for command in follows if isinstance(command, _FOLLOWED))
            rest += [command for command in follows if not isinstance(command, (*_FOLLOWED, Notify))]
            phases = self.live_phases()
            if until and until in phases:
                self.waiting = list(queue)
                return rest
            self.cloud.settle()
            self.clock.now += timedelta(minutes=10 if "baking" in phases else 0, seconds=1)
        raise AssertionError(f"it does not end: {self.live_phases()}, {self.activity_titles()}")

    def arrive(self, version: str, until: str = "", *, twice: bool = False) -> None:
        """Register a version that passes the gate, promote it and roll it out."""
        self.version(version)
        self.roll(PromoteModel(cause="test", model=MODEL, version=version), until=until, twice=twice)

    def live_phases(self) -> list[str]:
        """Return phase and percentage of each rollout that has not ended."""
        rollouts = (record.rollout for record in self.service.ledger.model_versions(MODEL, open_only=False))
        live = [rollout for rollout in rollouts if rollout and not rollout.final]
        return [
            part
            for rollout in live
            for part in (rollout.phase, str(rollout.steps[-1].percent) if rollout.steps else "")
        ]

    def rollout(self, version: str) -> RolloutRecord:
        rollout = self.record(version).rollout
        assert rollout is not None
        return rollout

    @property
    def traffic(self) -> dict[str, int]:
        try:
            traffic = self.production_ml.online_endpoints.get(ENDPOINT).traffic
        except ResourceNotFoundError:
            return {}
        return {name: share for name, share in traffic.items() if share}

    @traffic.setter
    def traffic(self, shares: dict[str, int]) -> None:
        """Change it as a person does in Azure."""
        endpoint = self.production_ml.online_endpoints.get(ENDPOINT)
        endpoint.traffic = shares
        self.production_ml.online_endpoints.begin_create_or_update(endpoint).result()

    @property
    def deployments(self) -> list[str]:
        return [deployment.name for deployment in self.production_ml.online_deployments.list(ENDPOINT)]

    def delete(self, deployment: str) -> None:
        """Change it as a person does in Azure."""
        self.production_ml.online_deployments.begin_delete(deployment, ENDPOINT).result()

    def roll_back(self, to: str) -> None:
        rest = self.rollback(to)
        self.roll(*(command for command in rest if isinstance(command, AdvanceRollout)))

    def activity_kinds(self, version: str) -> list[str]:
        """Return the kinds of the activities of a version, oldest first."""
        return [activity.kind for activity in self.activities() if f"{MODEL}:{version}" in activity.title]

    def ask(self, times: int = 1, deployment: str = "") -> list[str]:
        """Return the first row of each answer to a caller's request, or the status of an error."""
        answers = self.answers(times, deployment)
        return [str(answer.json()[0] if answer.ok else answer.status_code) for answer in answers]

    def answers(self, times: int = 1, deployment: str = "") -> list[requests.Response]:
        """Return the answers to a caller's requests."""
        endpoints = self.production_ml.online_endpoints
        uri, key = endpoints.get(ENDPOINT).scoring_uri, endpoints.get_keys(ENDPOINT).primary_key
        headers = {"Authorization": f"Bearer {key}"}
        if deployment:
            headers["azureml-model-deployment"] = deployment
        return [requests.post(uri, json=self.question, headers=headers, timeout=30) for _ in range(times)]
