"""Each role of `infra/roles.yaml` is needed: without it some work is refused, and with it that work ends."""

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support import config_yaml
from tests.support.azure_clients import container_client
from tests.support.installation import ROOT, Running
from tests.support.model_versions import MODEL, ModelInstallation
from tests.support.roles import DATA_SCIENTIST, READER, assign, assignments, taken_away
from tests.support.service import start_service
from tidegate.bootstrap import Service
from tidegate.cloud.arm import SCOPE, ArmClient
from tidegate.errors import TidegateError
from tidegate.installation.asset_files import installed_assets
from tidegate.installation.checks import access
from tidegate.installation.checks.check import CheckInputs, CheckState
from tidegate.installation.deploy import Deployment
from tidepool.access.principals import PRINCIPALS
from tidepool.access.roles import SEND_EVENTS, role_of
from tidepool.cloud import ServicePrincipal, Tidepool

REFUSED = re.compile(r"(Microsoft\.\w+/[\w/]+)\\*'(?: over| at the) scope \\*'([^'\\]+)")
MAY_NOT_SEND = re.compile(r"does not have permission to send data to (\S+)")
NOT_ALLOWED = re.compile(r"([\w-]+): (Microsoft\.\w+/[\w/]+) is not allowed")
PROMOTION = {"promote": {"to": "production", "approval": "none"}}
RETRIED_S = 1200  # what was refused is tried again within this time
DEAD_S, LETTERS_S = 25 * 3600, 301

Ended = Callable[[], bool]


class World:
    """A running installation, and what people and Azure do with it."""

    def __init__(self, running: Running, folder: Path) -> None:
        self.running, self.folder = running, folder
        assert isinstance(running.installation, ModelInstallation)
        self.installation = running.installation
        self.cloud = running.installation.cloud
        self.numbers = count(1)
        self.noted: list[str] = []

    def logged(self) -> list[str]:
        """Return what the app and Tidepool logged until now."""
        logs = self.cloud.data_dir / "logs"
        return [(logs / f"{name}.log").read_text() for name in ("functions", "supervisor")]

    def pass_time(self, seconds: float) -> None:
        self.cloud.advance(seconds)
        self.running.settle(120)

    def ended(self, end: Ended) -> bool:
        """Return whether a piece of work has ended. Note why not, if that is refused."""
        try:
            return end()
        except (TidegateError, AssertionError) as error:
            self.noted.append(str(error))
            return False

    def held(self, identity: str, role: str, scope: str) -> list[dict[str, Any]]:
        """Return the assignments that the template made of an entry of roles.yaml, by its description."""
        (entry,) = [
            item
            for item in FILE["assignments"]
            if (item["identity"], item["role"], item["scope"]) == (identity, role, scope)
        ]
        return [
            item
            for item in [*self.assignments, *self.assignments_of_deployer]
            if item["properties"].get("description") == entry["why"]
            and (identity != "deployer" or item["properties"]["principalId"] == self.deployer.id)
            and item["properties"]["roleDefinitionId"].endswith(FILE["roles"][role])
            and item["properties"]["scope"].rpartition("/")[2] == self.names[scope]
        ]

    @cached_property
    def assignments(self) -> list[dict[str, Any]]:
        """The role assignments of this installation."""
        unique = self.installation.template.unique
        return [item for item in assignments(self.cloud) if unique in item["properties"]["scope"]]

    @cached_property
    def deployer(self) -> ServicePrincipal:
        """A pipeline that deploys. It has the deployer's roles, and is no owner of anything.

        In the workspaces it is a data scientist. To deploy the templates, it would need more.
        """
        made = self.cloud.create_service_principal("deployer")
        given = [
            (item["properties"]["scope"], item["properties"])
            for item in self.assignments
            if item["properties"]["principalId"] == PRINCIPALS["developer"].id
        ]
        workspaces = (self.installation.workspace.id, self.installation.production.id)
        role = {"roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{DATA_SCIENTIST}"}
        for scope, properties in [*given, *((workspace, role) for workspace in workspaces)]:
            assign(self.cloud, scope, {**properties, "principalId": made.id})
        return made

    @cached_property
    def assignments_of_deployer(self) -> list[dict[str, Any]]:
        return assignments(self.cloud, principal_id=self.deployer.id)

    @cached_property
    def names(self) -> dict[str, str]:
        """The names of the resources by the names of their scopes in roles.yaml."""
        unique = self.installation.template.unique
        return {
            "service-storage": f"st{unique}",
            "dead-letters": "tidegate-deadletter",
            "custom-topic": f"evgt-{unique}",
            "feed-storage": f"stfeed{unique}",
            "development": f"mlw-dev-{unique}",
            "development-storage": f"stdev{unique}",
            "production": f"mlw-prod-{unique}",
            "production-storage": f"stprod{unique}",
        }

    def month(self) -> Ended:
        """Upload a month, which is registered, scored and announced."""
        month = f"{2100 + next(self.numbers)}01"
        self.installation.upload(month, {"a.png": "cat", "b.png": "dog"})
        self.running.settle(120)

        def ended() -> bool:
            scorings = self.running.get(f"/api/feeds/stories/partitions/{month}/jobs")
            self.noted += [str(scoring["error"]) for scoring in scorings]
            if scorings and scorings[-1]["state"] == "failed":  # a person has to repeat it
                self.running.post(f"/api/feeds/stories/partitions/{month}/jobs", {"reason": "roles"})
            return any(scoring["state"] == "scored" for scoring in scorings)

        return ended

    def announcement(self) -> Ended:
        """Upload a month, and wait for the service's own events about it."""
        topic, before = self.names["custom-topic"], len(self.cloud.events)
        self.month()
        return lambda: any(topic in event.get("topic", "") for event in self.cloud.events[before:])

    def promotion(self) -> Ended:
        """Register a version, which is judged and promoted."""
        version = str(next(self.numbers))
        self.installation.register(version, accuracy=0.9)
        self.running.settle(120)

        def ended() -> bool:
            champion = self.running.get(f"/api/models/{MODEL}")["champion"]
            return bool(champion and champion["version"] == version)

        return ended

    def rejected_event(self) -> Ended:
        """Deliver an event that the service cannot read, and keeps."""
        kept = container_client(self.installation.account.name, "tidegate-rejected")

        def number() -> int:
            return len(list(kept.list_blob_names())) if kept.exists() else 0

        before = number()
        event = {"eventType": "Microsoft.Storage.BlobCreated", "subject": "nothing", "data": {"api": 1}}
        self.cloud.inject(self.installation.feeds.id, event)
        self.running.settle(120)
        return lambda: number() > before

    def dead_letters(self) -> Ended:
        """Have an event of each topic fail for a day, because the app may not write to its queue."""
        letters = container_client(self.installation.account.name, "tidegate-deadletter")

        def number() -> int:
            """Return how many were written, with those that the service took up."""
            return len(list(letters.list_blob_names())) + self.logged()[0].count("dead_letter_taken_up")

        before = number()
        with taken_away(self.cloud, self.held("app", "Storage Queue Data Contributor", "service-storage")):
            self.cloud.inject(self.installation.feeds.id, BLOB)
            for workspace in (self.installation.workspace, self.installation.production):
                self.cloud.inject(workspace.id, RUN)
            self.pass_time(DEAD_S)
        self.pass_time(LETTERS_S)
        return lambda: number() >= before + 3

    def job(self) -> Ended:
        """Run a job that logs a metric, as training does."""
        from azure.ai.ml import command

        def submit() -> str:
            code = "import mlflow; mlflow.log_metric('loss', 0.5)"
            job = command(command=f'python -c "{code}"', environment="quick:1", compute="cpu")
            return str(self.installation.ml.jobs.create_or_update(job).name)

        names = [submit()]

        def ended() -> bool:
            self.running.settle(120)
            job = self.installation.ml.jobs.get(names[-1])
            logs = self.installation.blobstore.list_blobs(name_starts_with=f"ExperimentRun/dcid.{job.name}/")
            self.noted += [
                self.installation.blobstore.download_blob(log.name).readall().decode() for log in logs
            ]
            if job.status == "Completed":
                return True
            names.append(submit())  # a failed job stays failed
            return False

        return ended

    def deployment(self) -> Ended:
        """Run `tidegate deploy` for the development workspace."""
        service = self._service_of_deployer()
        return lambda: bool(list(Deployment(service).run(["development"])))

    def topic_check(self) -> Ended:
        """Check with `tidegate doctor` whether the deployer may publish the service's events.

        To find the topic, doctor needs to read the subscription.
        """
        subscription = "/".join(self.installation.account.id.split("/")[:3])
        role = f"/providers/Microsoft.Authorization/roleDefinitions/{READER}"
        assign(self.cloud, subscription, {"principalId": self.deployer.id, "roleDefinitionId": role})
        service = self._service_of_deployer()
        inputs = CheckInputs(
            service=service,
            config=service.config(),
            arm=ArmClient(service.credential),
            assets=installed_assets(),
        )

        def ended() -> bool:
            results = list(access.topic(inputs))
            self.noted += [f"{result.what}: {result.do}" for result in results]
            return all(result.state is CheckState.OK for result in results)

        return ended

    def _service_of_deployer(self) -> Service:
        """Return the service in this process, which runs as the deployer."""
        score = {"pipeline": "table_scoring", "model": "m", "compute": "cpu"}
        ours = self.installation.a_feed(score=score)
        values = YAML(typ="safe").load(self.installation.config_file)
        values["feeds"] = {"ours": ours}
        (self.folder / "deployer").mkdir(exist_ok=True)
        file = config_yaml.write(self.folder / "deployer", {**values, "models": {}})
        endpoint = self.installation.template.events_endpoint
        service = start_service(self.installation.account.name, file, events_endpoint=endpoint)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AZURE_TENANT_ID", self.deployer.tenant_id)
            patch.setenv("AZURE_CLIENT_ID", self.deployer.client_id)
            patch.setenv("AZURE_CLIENT_SECRET", self.deployer.client_secret)
            service.credential.get_token(SCOPE)
        return service


FILE = YAML(typ="safe").load((ROOT / "infra/roles.yaml").read_text(encoding="utf-8"))
BLOB = {"eventType": "Microsoft.Storage.BlobCreated", "subject": "/none", "data": {}}
RUN = {"eventType": "Microsoft.MachineLearningServices.RunCompleted", "subject": "none", "data": {}}
# identity, role, scope -> the cheapest work that needs the role.
WORK: dict[tuple[str, str, str], Callable[[World], Ended]] = {
    ("app", "Storage Blob Data Owner", "service-storage"): World.rejected_event,
    ("app", "Storage Queue Data Contributor", "service-storage"): World.month,
    ("app", "Storage Table Data Contributor", "service-storage"): World.month,
    ("app", "EventGrid Data Sender", "custom-topic"): World.announcement,
    ("app", "Storage Blob Data Reader", "feed-storage"): World.month,
    ("app", "AzureML Data Scientist", "development"): World.month,
    ("app", "Storage Blob Data Contributor", "development-storage"): World.month,
    ("app", "AzureML Data Scientist", "production"): World.promotion,
    ("app", "Storage Blob Data Contributor", "production-storage"): World.promotion,
    ("app", "Reader", "production"): World.promotion,
    ("app", "Reader", "production-storage"): World.promotion,
    ("development-cluster", "AzureML Data Scientist", "development"): World.job,
    ("development-cluster", "Storage Blob Data Contributor", "development-storage"): World.month,
    ("development-cluster", "Storage Blob Data Reader", "feed-storage"): World.month,
    ("deployer", "Storage Blob Data Contributor", "service-storage"): World.deployment,
    ("deployer", "Storage Queue Data Contributor", "service-storage"): World.deployment,
    ("deployer", "Storage Table Data Contributor", "service-storage"): World.deployment,
    ("deployer", "Storage Blob Data Contributor", "feed-storage"): World.deployment,
    ("deployer", "EventGrid Data Sender", "custom-topic"): World.topic_check,
    ("event-grid", "Storage Blob Data Contributor", "dead-letters"): World.dead_letters,
}
NOT_SHOWN = {
    "AcrPull": "Tidepool pulls no images",
    "Monitoring Metrics Publisher": "Tidepool takes no telemetry",
    "scientists": "the local template has no group of scientists",
    "production-cluster": "the local template has no cluster in production",
    "development-workspace": "Azure itself assigns it",
    "production-workspace": "Azure itself assigns it",
    "ingestion": "Tidepool has no Data Factory",
    "synapse": "Tidepool has no Synapse",
    "registry": "the local template has no registry",
    # Whoever deploys uploads with a signature that the workspace gives.
    "deployer development-storage": "https://learn.microsoft.com/azure/machine-learning/how-to-disable-local-auth-storage",
    "deployer production-storage": "https://learn.microsoft.com/azure/machine-learning/how-to-disable-local-auth-storage",
}


def refused_in(text: str) -> list[tuple[str, str]]:
    """Return each action that a text says is refused, with where."""
    return [
        *REFUSED.findall(text),
        *((action, place) for place, action in NOT_ALLOWED.findall(text)),
        *((SEND_EVENTS, place) for place in MAY_NOT_SEND.findall(text)),
    ]


@pytest.fixture(scope="module")
def world(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("matrix")
    installation = ModelInstallation(tidepool, folder, policy=PROMOTION)
    with installation.start() as running:
        yield World(running, folder)


def test_every_assignment_is_in_the_matrix_or_left_out_for_a_reason() -> None:
    entries = [(item["identity"], item["role"], item["scope"]) for item in FILE["assignments"]]
    left = [entry for entry in entries if entry not in WORK]

    assert [entry for entry in left if not {*entry, f"{entry[0]} {entry[2]}"} & set(NOT_SHOWN)] == []


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("entry", WORK, ids=" ".join)
def test_without_a_role_its_work_is_refused_and_with_it_the_work_ends(
    world: World, entry: tuple[str, str, str]
) -> None:
    _, role, scope = entry
    held = world.held(*entry)
    before = [len(text) for text in world.logged()]
    world.noted.clear()

    with taken_away(world.cloud, held):
        end = WORK[entry](world)
        ended_without = world.ended(end)
    new = [text[start:] for text, start in zip(world.logged(), before, strict=True)]
    text = "\n".join([*world.noted, *new])
    for _ in range(5):
        if world.ended(end):
            break
        world.pass_time(RETRIED_S)

    assert held, "the template does not assign it"
    assert not ended_without
    allowed = role_of(FILE["roles"][role])
    assert [
        action
        for action, place in refused_in(text)
        if (allowed.allows(action) or allowed.allows(action, data=True)) and world.names[scope] in place
    ], text[-3000:]
    assert world.ended(end)
