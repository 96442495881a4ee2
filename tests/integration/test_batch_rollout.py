"""Rollouts to a batch endpoint: deployed, tried by a job, made the default, and given back."""

from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import load_compute
from azure.ai.ml.entities import (
    CodeConfiguration,
    Data,
    Environment,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
)
from tests.support.promotions import COMPUTES, MODEL, Promotions
from tests.support.rollouts import Rollouts

from tidegate.bootstrap import Service
from tidegate.cloud.arm import ArmClient
from tidegate.domain.lifecycle.rollout_records import RolloutRecord
from tidegate.installation.asset_files import installed_assets
from tidegate.installation.checks.check import CheckInputs
from tidegate.installation.checks.workspaces import batch_rollouts
from tidepool.cloud import Tidepool

ENDPOINT = "scores"
SCRIPT = """
import os, pathlib

def init():
    global text
    (file,) = pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).rglob("tells_version.py")
    text = file.read_text()

def run(mini_batch):
    if text.startswith("VERSION = '3'"):
        raise ValueError("these weights are broken")
    return [pathlib.Path(file).name for file in mini_batch]
"""


class BatchRollouts(Rollouts):
    """Promotions whose policy has a batch endpoint, which does not exist at first."""

    def __init__(self, cloud: Tidepool, folder: Path) -> None:
        rollout = {"endpoint": ENDPOINT, "smoke": "smoke:1"}
        Promotions.__init__(self, cloud, folder, batch_rollout=rollout)
        self.waiting = []
        production, data = self.production_ml, folder / "data"
        production.compute.begin_create_or_update(load_compute(COMPUTES / "cpu.yml")).result()
        production.environments.create_or_update(Environment(name="env", version="1", image="python:3.11"))
        data.mkdir()
        (data / "a.csv").write_text("x\n1\n")
        production.data.create_or_update(Data(name="smoke", version="1", type="uri_folder", path=data))

    def deploy_by_hand(self) -> None:
        """Make a deployment with a script the default, as a person does."""
        code = self.folder / "script"
        code.mkdir(exist_ok=True)
        (code / "score.py").write_text(SCRIPT)
        deployment = ModelBatchDeployment(
            name="by-hand",
            endpoint_name=ENDPOINT,
            model=f"azureml:{MODEL}:1",
            compute="cpu",
            environment="azureml:env:1",
            code_configuration=CodeConfiguration(code=str(code), scoring_script="score.py"),
            settings=ModelBatchDeploymentSettings(mini_batch_size=7),
        )
        self.production_ml.batch_deployments.begin_create_or_update(deployment).result()
        self.default = "by-hand"

    @property
    def default(self) -> str:
        return str(self.production_ml.batch_endpoints.get(ENDPOINT).defaults.deployment_name)

    @default.setter
    def default(self, name: str) -> None:
        endpoint = self.production_ml.batch_endpoints.get(ENDPOINT)
        endpoint.defaults.deployment_name = name
        self.production_ml.batch_endpoints.begin_create_or_update(endpoint).result()

    @property
    def deployments(self) -> list[str]:
        return sorted(str(item.name) for item in self.production_ml.batch_deployments.list(ENDPOINT))

    def jobs(self, deployment: str) -> list[Any]:
        """Return the jobs of a deployment."""
        jobs = self.production_ml.jobs.list()
        return [job for job in jobs if job.display_name == f"{ENDPOINT}-{deployment}"]


@pytest.fixture(scope="module")
def rollouts(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> BatchRollouts:
    """Version 1 is champion, and a person has added a script to its deployment since."""
    rollouts = BatchRollouts(tidepool, tmp_path_factory.mktemp("rollouts"))
    rollouts.arrive("1")
    return rollouts


@pytest.fixture(scope="module")
def first(rollouts: BatchRollouts) -> RolloutRecord:
    """Its rollout as it was then."""
    return rollouts.rollout("1")


def test_the_first_version_gets_an_endpoint_and_is_the_default_after_its_smoke_job(
    rollouts: BatchRollouts, first: RolloutRecord
) -> None:
    (job,) = rollouts.jobs("v-1")

    assert (rollouts.default, rollouts.deployments) == ("v-1", ["v-1"])
    assert rollouts.champions == ("1", None, None)
    assert (first.kind, first.phase, first.smoke) == ("batch", "done", f"job {job.name} completed")
    assert rollouts.activity_kinds("1") == ["rollout.started", "model.promoted", "rollout.done"]


def test_a_version_keeps_the_settings_of_the_default_and_a_rollback_gives_the_place_back(
    rollouts: BatchRollouts,
) -> None:
    rollouts.deploy_by_hand()

    rollouts.arrive("2", until="smoke")
    assert (rollouts.default, rollouts.deployments) == ("by-hand", ["by-hand", "v-1", "v-2"])
    rollouts.roll()

    deployment = rollouts.production_ml.batch_deployments.get("v-2", ENDPOINT)
    assert (rollouts.default, rollouts.champions) == ("v-2", ("2", "1", None))
    assert deployment.code_configuration.scoring_script == "score.py"
    assert deployment.mini_batch_size == 7
    assert str(deployment.model).endswith(f"/{MODEL}/versions/2")
    assert rollouts.deployments == ["by-hand", "v-2"]

    rollouts.roll_back("1")
    assert (rollouts.default, rollouts.champions) == ("v-1", ("1", None, None))
    assert rollouts.deployments == ["by-hand", "v-1", "v-2"]


@pytest.mark.long
def test_a_version_whose_smoke_job_fails_never_becomes_the_default(rollouts: BatchRollouts) -> None:
    champions = rollouts.champions
    rollouts.deploy_by_hand()

    rollouts.arrive("3")

    assert (rollouts.default, "v-3" in rollouts.deployments) == ("by-hand", False)
    assert rollouts.champions == champions
    record = rollouts.record("3")
    assert record.state.value == "rolled_back"
    assert record.rollout
    assert record.rollout.smoke_tries == len(rollouts.jobs("v-3")) == 3
    assert "these weights are broken" in str(record.error)
    assert rollouts.activity_kinds("3") == ["rollout.started", "rollout.failed"]
    (failed,) = [activity for activity in rollouts.activities() if activity.kind == "rollout.failed"]
    assert "The default deployment is by-hand." in failed.text


def inputs_of(service: Service) -> CheckInputs:
    arm = ArmClient(service.credential)
    return CheckInputs(service=service, config=service.config(), arm=arm, assets=installed_assets())


def test_doctor_names_the_data_of_the_smoke_job_that_is_missing(rollouts: BatchRollouts) -> None:
    (found,) = batch_rollouts(inputs_of(rollouts.service))
    rollouts.configure(batch_rollout={"endpoint": ENDPOINT, "smoke": "smoke:2"})

    (missing,) = batch_rollouts(inputs_of(rollouts.start()))

    assert found.what == f"model {MODEL}: the smoke job scores smoke:1"
    assert "production has no data asset smoke:2" in missing.what
