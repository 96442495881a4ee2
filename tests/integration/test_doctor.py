"""Doctor on an empty installation, on a whole one, and on whole ones with one thing wrong."""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import config_yaml
from tests.support.api_requests import Api, content
from tests.support.azure_clients import ml_client
from tests.support.clock import Clock
from tests.support.installation import MLMODEL
from tests.support.model_versions import POLICY
from tests.support.package import app_folder
from tests.support.product_template import ProductTemplate
from tests.support.roles import EVENT_GRID_DATA_SENDER, READER, without_role
from tests.support.service import a_service

from tidegate.bootstrap import Service, build
from tidegate.installation.checks.check import CheckState
from tidegate.installation.deploy import Deployment
from tidegate.installation.doctor import CHECKS, Finding, examine, is_unreachable
from tidegate.settings import Settings
from tidepool.cloud import Site, StorageAccount, Tidepool, Workspace

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

FEED = {"score": {"pipeline": "image_scoring", "model": "classifier", "compute": "gpu-lowpri"}}
CHANNEL = {"url": "jsons://mailbox.tidepool/doctor"}


def said(service: Service, check: str) -> list[Finding]:
    return [finding for finding in examine(lambda: service) if finding.check == check]


def states(findings: list[Finding]) -> dict[str, CheckState]:
    """The worst of each check."""
    worst: dict[str, CheckState] = {}
    order = [CheckState.OK, CheckState.SKIPPED, CheckState.WARN, CheckState.FAIL]
    for finding in findings:
        worst[finding.check] = max(worst.get(finding.check, CheckState.OK), finding.state, key=order.index)
    return worst


@dataclass(frozen=True)
class HealthyInstallation:
    """An installation in which nothing is wrong, and the values of its tidegate.yml."""

    settings: Settings
    values: dict[str, Any]
    ml: "MLClient"
    app: str  # the id of the function app

    def service(self, folder: Path, **changes: Any) -> Service:
        """The same with other keys in tidegate.yml; `score` changes keys of the feed's score."""
        values = {**self.values, **{key: value for key, value in changes.items() if key != "score"}}
        if "score" in changes:
            feed = values["feeds"]["digits"]
            values["feeds"] = {"digits": feed | {"score": feed["score"] | changes["score"]}}
        return build(replace(self.settings, config_file=config_yaml.write(folder, values)))


@pytest.fixture(scope="module")
def healthy(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HealthyInstallation]:
    from azure.ai.ml.entities import Model

    folder = tmp_path_factory.mktemp("doctor")
    template = ProductTemplate.deploy(tidepool)
    values = template.values(digits=template.a_feed(**FEED))
    values["notify"] = [CHANNEL]
    file = config_yaml.write(folder, values)
    ml = ml_client(template.development.id)
    (folder / "model").mkdir()
    (folder / "model/MLmodel").write_text(MLMODEL)
    ml.models.create_or_update(
        Model(name="classifier", version="1", path=folder / "model", type="mlflow_model")
    )
    variables = {"TIDEGATE_CONFIG": str(file)}
    with tidepool.functions_app(app_folder(), variables, site_id=template.site.id) as site:
        template.subscribe()
        settings = _settings(template, file, site)
        list(Deployment(build(settings)).run())
        yield HealthyInstallation(settings, values, ml, template.site.id)


def _settings(template: ProductTemplate, file: Path, site: Site) -> Settings:
    environ = {**os.environ, **template.outputs, "FUNCTIONS_URL": site.url, "FUNCTIONS_KEY": site.key}
    return Settings(
        storage_account=template.service.name,
        config_file=file,
        environ=environ,
        events_endpoint=environ["TIDEGATE_EVENTS_ENDPOINT"],
    )


def test_it_finds_nothing_wrong_with_a_whole_installation(
    healthy: HealthyInstallation, tmp_path: Path
) -> None:
    findings = list(examine(lambda: healthy.service(tmp_path)))

    assert [finding for finding in findings if finding.state is not CheckState.OK] == []
    assert {finding.check for finding in findings} == {"configuration", *CHECKS}


def test_of_an_empty_installation_it_says_what_to_do_about_everything(
    storage_account: StorageAccount, workspace: Workspace, tmp_path: Path
) -> None:
    feed = config_yaml.a_feed(storage_account.name, **FEED)
    service = a_service(tmp_path, storage_account.name, Clock(), development=workspace.name, digits=feed)  # type: ignore[arg-type]
    installation = replace(service, settings=replace(service.settings, environ={}))

    findings = list(examine(lambda: installation))

    assert states(findings) == {
        "configuration": CheckState.OK,
        "identity": CheckState.OK,
        "roles": CheckState.OK,
        "separation": CheckState.OK,
        "workspaces": CheckState.OK,
        "storage": CheckState.FAIL,
        "datastores": CheckState.FAIL,
        "pipelines": CheckState.FAIL,
        "models": CheckState.FAIL,
        "holdouts": CheckState.OK,
        "rollouts": CheckState.OK,
        "batch_rollouts": CheckState.OK,
        "computes": CheckState.OK,
        "quotas": CheckState.OK,
        "undelivered": CheckState.OK,
        "pauses": CheckState.OK,
        "catch_up": CheckState.OK,
        "subscriptions": CheckState.FAIL,
        "topic": CheckState.OK,
        "settings": CheckState.WARN,
        "notifications": CheckState.WARN,
        "service": CheckState.WARN,
    }
    assert all(finding.do for finding in findings if finding.state in (CheckState.FAIL, CheckState.WARN))


def test_with_a_bad_configuration_it_names_the_line_and_skips_the_rest(tmp_path: Path) -> None:
    service = a_service(tmp_path, "unused", Clock(), digits=config_yaml.a_feed(begins=202601))

    first, *rest = examine(lambda: service)

    assert first.state is CheckState.FAIL
    assert "feeds.digits.begins: there is no such key" in first.what
    assert {finding.state for finding in rest} == {CheckState.SKIPPED}


def test_a_bad_environment_is_said_too() -> None:
    first, *_ = examine(lambda: build(Settings.from_env({})))

    assert first.state is CheckState.FAIL
    assert "AzureWebJobsStorage__accountName" in first.what


@pytest.mark.parametrize(
    ("changes", "check", "says"),
    [
        ({"score": {"model": "classifier:7"}}, "models", "has no model classifier:7"),
        ({"score": {"compute": "huge"}}, "computes", "has no compute huge"),
        ({"score": {"pipeline": "weekly"}}, "pipelines", "weekly is not registered"),
        ({"notify": [{"url": "carrier-pigeon"}]}, "notifications", "is not a URL that Apprise can send to"),
    ],
)
def test_it_names_what_the_configuration_names_and_is_not_there(
    healthy: HealthyInstallation, tmp_path: Path, changes: dict[str, Any], check: str, says: str
) -> None:
    [finding] = [
        finding
        for finding in said(healthy.service(tmp_path, **changes), check)
        if finding.state is CheckState.FAIL
    ]

    assert says in finding.what
    assert finding.do


def test_a_pipeline_that_deploy_would_not_find_either_is_not_sent_to_deploy(
    healthy: HealthyInstallation, tmp_path: Path
) -> None:
    [finding] = said(healthy.service(tmp_path, score={"pipeline": "weekly"}), "pipelines")

    assert finding.state is CheckState.FAIL
    assert "weekly/pipeline.yml" in finding.what
    assert "correct its name in tidegate.yml" in finding.do
    assert "deploy" not in finding.do


def test_a_smoke_test_without_its_file_is_named_before_anything_is_deployed(
    healthy: HealthyInstallation, tmp_path: Path
) -> None:
    rollout = {"endpoint": "classifier-x7", "smoke": "smoke.json"}
    policy = {**POLICY, "promote": {"approval": "none"}, "rollout": rollout}
    service = healthy.service(tmp_path, models={"other": policy})
    api = Api(lambda: service)

    [missing], health = said(service, "rollouts"), api.get("/api/health")
    (tmp_path / "smoke.json").write_text("{}")
    [there], later = said(service, "rollouts"), api.get("/api/health")

    assert (missing.state, there.state) == (CheckState.FAIL, CheckState.OK)
    assert (health.status_code, later.status_code) == (503, 200)
    assert f"there is no file {tmp_path / 'smoke.json'}" in content(health)["detail"]
    assert str(tmp_path / "smoke.json") in missing.what
    assert "models.other.rollout.smoke" in missing.do


def test_a_workspace_that_is_not_there_is_named(healthy: HealthyInstallation, tmp_path: Path) -> None:
    production = healthy.values["workspaces"]["production"] | {"name": "mlw-nowhere"}
    workspaces = healthy.values["workspaces"] | {"production": production}

    found = said(healthy.service(tmp_path, workspaces=workspaces), "workspaces")

    assert [finding.state for finding in found] == [CheckState.OK, CheckState.FAIL]
    assert "mlw-nowhere" in found[1].what


def test_a_model_without_a_tensor_signature_is_refused(healthy: HealthyInstallation, tmp_path: Path) -> None:
    from azure.ai.ml.entities import Model

    path = tmp_path / "bare"
    path.mkdir()
    (path / "MLmodel").write_text("flavors: {}\n")
    healthy.ml.models.create_or_update(Model(name="bare", version="1", path=path, type="mlflow_model"))

    [finding] = said(healthy.service(tmp_path, score={"model": "bare"}), "models")

    assert finding.state is CheckState.FAIL
    assert "no tensor signature" in finding.what


def test_the_clusters_of_policies_are_measured_too(healthy: HealthyInstallation, tmp_path: Path) -> None:
    policy = {**POLICY, "evaluate": {**POLICY["evaluate"], "compute": "gpu-dedicated"}}
    service = healthy.service(tmp_path, models={"classifier": policy})

    assert "gpu-dedicated" in " ".join(finding.what for finding in said(service, "quotas"))


def test_another_configuration_than_the_services_is_a_warning(
    healthy: HealthyInstallation, tmp_path: Path
) -> None:
    [finding] = said(healthy.service(tmp_path, timezone="Asia/Tokyo"), "service")

    assert finding.state is CheckState.WARN
    assert "another tidegate.yml or other variables" in finding.what


def test_a_topic_that_is_not_there_is_named(healthy: HealthyInstallation, tmp_path: Path) -> None:
    nowhere = "https://nowhere.japaneast-1.eventgrid.azure.net/api/events"
    service = healthy.service(tmp_path)

    [finding] = said(replace(service, settings=replace(service.settings, events_endpoint=nowhere)), "topic")

    assert finding.state is CheckState.FAIL
    assert nowhere in finding.what
    assert "TIDEGATE_EVENTS_ENDPOINT" in finding.do


def test_who_may_not_send_to_the_topic_learns_the_role(
    tidepool: Tidepool, healthy: HealthyInstallation, tmp_path: Path
) -> None:
    """An Owner may do everything with a topic, and not send to it."""
    with without_role(tidepool, "developer", EVENT_GRID_DATA_SENDER):
        [finding] = said(healthy.service(tmp_path), "topic")

    assert finding.state is CheckState.FAIL
    assert "Microsoft.EventGrid/events/send/action is not allowed" in finding.what
    assert '--role "EventGrid Data Sender" --scope /subscriptions/' in finding.do
    assert said(healthy.service(tmp_path), "topic")[0].state is CheckState.OK


def test_who_may_not_look_for_the_topic_is_told_so(
    tidepool: Tidepool, healthy: HealthyInstallation, tmp_path: Path, as_the_app: None
) -> None:
    with (
        without_role(tidepool, healthy.app, READER),
        without_role(tidepool, healthy.app, EVENT_GRID_DATA_SENDER),
    ):
        [finding] = said(healthy.service(tmp_path), "topic")

    assert finding.state is CheckState.WARN
    assert finding.do


@pytest.fixture
def as_the_app(tidepool: Tidepool, healthy: HealthyInstallation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Doctor looks at what the function app's identity may do."""
    monkeypatch.setenv("IDENTITY_HEADER", tidepool.environment(healthy.app)["IDENTITY_HEADER"])


def test_a_rollout_needs_to_read_the_metrics_of_its_endpoint(
    tidepool: Tidepool, healthy: HealthyInstallation, tmp_path: Path, as_the_app: None
) -> None:
    rollout = {"endpoint": "classifier-x7", "smoke": "smoke.json"}
    policy = {**POLICY, "promote": {"approval": "none"}, "rollout": rollout}
    service = healthy.service(tmp_path, models={"other": policy})
    assert CheckState.FAIL not in states(said(service, "roles")).values()

    with without_role(tidepool, healthy.app, READER):
        findings = said(service, "roles")

    [finding] = [finding for finding in findings if finding.what.startswith("mlw-prod-")]
    assert finding.state is CheckState.WARN
    assert "permissions could not be read" in finding.what
    assert "AzureML Data Scientist, Reader there" in finding.do


def test_settings_of_the_app_that_differ_from_the_variables_here_are_named(
    healthy: HealthyInstallation, tmp_path: Path
) -> None:
    service = healthy.service(tmp_path)
    environ = {**service.settings.environ, "AZUREML_WORKSPACE_PRODUCTION": "mlw-other"}

    [finding] = said(replace(service, settings=replace(service.settings, environ=environ)), "settings")

    assert finding.state is CheckState.FAIL
    assert "the setting AZUREML_WORKSPACE_PRODUCTION is 'mlw-prod-" in finding.what
    assert "instead of 'mlw-other'" in finding.what


@pytest.mark.long  # it waits for nothing for nine seconds
def test_what_accepts_connections_and_hangs_is_not_waited_for(
    tidepool: Tidepool, healthy: HealthyInstallation, tmp_path: Path
) -> None:
    """The service and Azure Resource Manager accept connections, and answer only after minutes."""
    service = healthy.service(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        environ = {**service.settings.environ, "FUNCTIONS_URL": url}
        tidepool.fault("request", "timeout", value=120, times=None, match={"host": "management.azure.com"})
        findings = list(
            examine(lambda: replace(service, settings=replace(service.settings, environ=environ)))
        )
        tidepool.clear_faults()

    assert is_unreachable(findings)
    said_of = {finding.check: finding.what for finding in findings}
    assert said_of["identity"] == "Azure does not answer"
    assert said_of["service"] == "the service does not answer"
