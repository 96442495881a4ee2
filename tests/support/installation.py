"""Installations of the service in Tidepool, and the service while its functions app runs."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from tests.support import config_yaml
from tests.support.arm_requests import arm
from tests.support.azure_clients import MANAGEMENT, container_client, ml_client, token
from tests.support.package import app_folder
from tests.support.product_template import ProductTemplate
from tests.support.repeated_requests import Registration
from tests.support.service import start_service
from tidegate.bootstrap import Service
from tidegate.domain.assets import datastore_name
from tidegate.domain.jobs.records import JobKind
from tidepool.cloud import Site, Tidepool
from tidepool.functions.front_end import COOKIE, Person, sign_in_url

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.storage.blob import ContainerClient

ROOT = Path(__file__).parents[2]
QUICK = ROOT / "tests/stories/quick/pipeline.yml"
SCORE = {
    "pipeline": "quick",
    "model": "quick-model",
    "compute": "gpu-lowpri",
    "fallback": "gpu-dedicated",
    "attempts": 2,
    "max_error_rate": 0.2,
}
FEED = {
    "starts": 209901,  # months of the calendar are no part of what is tested here
    "complete_when": [{"marker": "_SUCCESS"}],
    "late_files": {"then": "new_version", "quiet_for": "1s", "max_versions": 5},
    "score": SCORE,
}
LIVE = {"claimed", "submitted", "job_completed"}
AGAIN_S = 6.0  # the service's first pause after a fault is shorter
MLMODEL = """
flavors: {python_function: {loader_module: nothing}}
signature: {inputs: '[{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 8, 8, 1]}}]'}
"""

_REGISTRATION = Registration()


class Installation:
    """An installation of the service in Tidepool: its account, workspaces and tidegate.yml.

    Tests use months of 2099 or later, because the feed starts there.
    """

    def __init__(
        self, cloud: Tidepool, folder: Path, *, models: dict[str, Any] | None = None, **feed: Any
    ) -> None:
        self.cloud = cloud
        self.template = ProductTemplate.deploy(cloud)
        self.account, self.feeds = self.template.service, self.template.feeds
        self.workspace, self.production = self.template.development, self.template.production
        self.config_file = folder / "tidegate.yml"
        self.configure(models=models, **feed)
        self.make_once(_REGISTRATION, lambda: self._register(folder))

    def make_once(self, registration: Registration, register: Callable[[], None]) -> None:
        """Register something in the development workspace, through the SDK if it is the first time."""
        workspace = arm("GET", self.workspace.id, token(MANAGEMENT)).json()
        workspace_id = workspace["properties"]["workspaceId"]
        registration.make({"unique": self.template.unique, "workspace_id": workspace_id}, register)

    def configure(self, *, models: dict[str, Any] | None = None, timezone: str = "UTC", **feed: Any) -> None:
        """Write tidegate.yml with these policies by model name, and these changes of the feed's keys."""
        values = self.template.values(stories=self.a_feed(**{**FEED, **feed}))
        values["timezone"] = timezone
        values["notify"] = [{"url": "jsons://mailbox.tidepool/" + self.account.name, "events": ["*"]}]
        if models:
            values["models"] = models
        config_yaml.write(self.config_file.parent, values)

    def a_feed(self, **changes: Any) -> dict[str, Any]:
        """Return a feed of the installation's storage account, as tidegate.yml describes it."""
        return self.template.a_feed(**changes)

    def start(self, app: Path | None = None, **settings: str) -> "Running":
        settings = {"TIDEGATE_CONFIG": str(self.config_file), "TIDEGATE_CHECK_DELAY_S": "1", **settings}
        site = self.cloud.functions_app(app or app_folder(), settings, site_id=self.template.site.id)
        self.template.subscribe()
        return Running(self, site)

    def service(self, now: Callable[[], datetime] | None = None, **settings: Any) -> Service:
        """Return the service in this process, as it is after a start; `settings` are fields of Settings."""
        return start_service(self.account.name, self.config_file, now, **settings)

    @cached_property
    def images(self) -> "ContainerClient":
        return container_client(self.feeds.name, "images")

    @cached_property
    def blobstore(self) -> "ContainerClient":
        """The container of the development workspace's default datastore."""
        store = self.ml.datastores.get("workspaceblobstore")
        return container_client(store.account_name, store.container_name)

    @cached_property
    def ml(self) -> "MLClient":
        return ml_client(self.workspace.id)

    def upload(self, partition: str, files: Mapping[str, str], *, marker: bool = True) -> None:
        for name, content in files.items():
            self.images.upload_blob(f"{partition}/{name}", content, overwrite=True)
        if marker:
            self.images.upload_blob(f"{partition}/_SUCCESS", b"", overwrite=True)

    def jobs(self, partition: str = "") -> dict[str, str]:
        """Return the status of each scoring job in Azure ML by name, without the steps of pipelines."""
        ours = f"score-stories-{partition}"
        return {job.name: job.status for job in self.ml.jobs.list() if job.name.startswith(ours)}

    def hold_jobs(self) -> None:
        """Keep all jobs queued, for tests of what is submitted: jobs that run take most of a test's time."""
        self.cloud.fault("run", "never_start", match={"workspace": f"*{self.workspace.name}"}, times=None)

    def wait_for_job(self, name: str, *, status: str = "") -> None:
        """Wait until Azure ML has the job, and until the job has `status` if that is given."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            current = {job.name: job.status for job in self.ml.jobs.list()}.get(name)
            if current and current == (status or current):
                return
            time.sleep(0.1)
        raise AssertionError(f"no job {name} {status} after 60 s; there are {self.jobs()}")

    def now(self) -> datetime:
        """Return the time of the local cloud, which tests move."""
        return datetime.fromisoformat(self.cloud.status()["now"])

    def notifications(self) -> list[dict[str, Any]]:
        """Return the notifications of this installation, oldest first."""
        sent = [message for message in self.cloud.mailbox() if message["path"].endswith(self.account.name)]
        return [
            json.loads(message["body"]) if isinstance(message["body"], str) else message["body"]
            for message in sent
        ]

    def _register(self, folder: Path) -> None:
        from azure.ai.ml import load_component
        from azure.ai.ml.entities import AzureBlobDatastore, Environment, Model

        from tidegate.config.schema import FeedStorage

        model = folder / "model"
        model.mkdir()
        (model / "MLmodel").write_text(MLMODEL)
        storage = FeedStorage.model_validate(self.a_feed()["storage"])
        self.ml.datastores.create_or_update(
            AzureBlobDatastore(
                name=datastore_name(storage), account_name=self.feeds.name, container_name="images"
            )
        )
        self.ml.environments.create_or_update(Environment(name="quick", version="1", image="python:3.11"))
        self.ml.components.create_or_update(load_component(QUICK), version="1")
        self.ml.models.create_or_update(
            Model(name="quick-model", version="1", path=model, type="mlflow_model")
        )


class Running:
    """The service of an installation while its functions app runs."""

    def __init__(self, installation: Installation, site: Site) -> None:
        self.installation = installation
        self.site = site
        self._http = httpx.Client(
            base_url=site.url,
            headers={"x-functions-key": site.key},
            trust_env=False,
            verify=False,
            timeout=60,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self.site.stop()

    @cached_property
    def service(self) -> Service:
        """The same service in this process, with which tests read the ledger."""
        return self.installation.service()

    def settle(self, timeout_s: float = 60) -> None:
        """Wait until Tidepool is idle and no message is due again within seconds.

        Messages are tried again after a few seconds if the machine is slow.
        """
        self.installation.cloud.settle(timeout_s)
        for _ in range(10):
            if not self._is_tried_again():
                return
            self.installation.cloud.advance(AGAIN_S)
            self.installation.cloud.settle(timeout_s)

    def _is_tried_again(self) -> bool:
        status = self.installation.cloud.status()
        until = datetime.fromisoformat(status["now"]) + timedelta(seconds=AGAIN_S)
        waiting = ((item["what"], datetime.fromisoformat(item["due"])) for item in status["waiting"])
        return any(what.startswith("message ") and due <= until for what, due in waiting)

    def drive(self, partition: str, rounds: int = 30) -> None:
        """Advance the clock and run the timer until the month's scorings have ended."""
        for _ in range(rounds):
            self.settle()
            scorings = self.scorings(partition)
            if scorings and not set(scorings.values()) & LIVE:
                return
            self.installation.cloud.advance(60)
            self.site.fire_timer("reconcile")
        raise AssertionError(f"{partition} did not end: {scorings}")

    def scorings(self, partition: str) -> dict[str, str]:
        """Return the state of each scoring of a month by name, as the API lists them."""
        return {
            scoring["name"]: scoring["state"]
            for scoring in self.get(f"/api/feeds/stories/partitions/{partition}/jobs")
        }

    def partition(self, partition: str) -> dict[str, Any]:
        return dict(self.get(f"/api/feeds/stories/partitions/{partition}"))

    def most_jobs_at_once(self) -> int:
        """Return how many scoring jobs were live at the same time, from submission to recorded end."""
        jobs = [job for job in self.service.ledger.jobs(open_only=False) if job.kind is JobKind.SCORING]
        begins = [(job.submitted_at, 1) for job in jobs]
        ends = [(job.checked_at, -1) for job in jobs if job.end and job.checked_at]
        return max(accumulate(change for _, change in sorted(begins + ends)))

    def reconcile(self) -> None:
        """Run the timer function and wait for all that follows."""
        self.site.fire_timer("reconcile")
        self.settle()

    def get(self, path: str) -> Any:
        answer = self.request("GET", path)
        assert answer.is_success, answer.text
        return answer.json()

    def request(self, method: str, path: str) -> httpx.Response:
        return self._http.request(method, path)

    def token(self, name: str, *roles: str) -> str:
        """Return the bearer token of a person with these app roles, who signs in."""
        answer = httpx.get(sign_in_url(self.site.url, Person(name, roles)), trust_env=False, timeout=60)
        return answer.cookies[COOKIE]

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """Post a body. A person with the role approver, whom the body names, approves and rolls back."""
        if path.endswith(("/approval", "/rollback")):
            headers["Authorization"] = f"Bearer {self.token(body['by'], 'approver')}"
        return self._http.post(path, json=body, headers=headers)
