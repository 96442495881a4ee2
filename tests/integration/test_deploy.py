"""What `tidegate deploy` brings into a workspace and a storage account, and what it leaves alone."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.azure_clients import ml_client
from tests.support.clock import Clock
from tests.support.config_yaml import a_feed
from tests.support.service import a_service

from tidegate.bootstrap import Service
from tidegate.errors import ConfigError, PermanentError
from tidegate.installation.asset_files import AssetFiles
from tidegate.installation.deploy import Deployment, DeployStep
from tidepool.cloud import StorageAccount, Tidepool, Workspace

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

QUICK = Path("tests/stories/quick")
SCORE = {"pipeline": "quick", "model": "m", "compute": "small", "publish_compute": "small"}


@pytest.fixture
def assets(tmp_path: Path) -> AssetFiles:
    """A folder of one pipeline, one environment, one cluster."""
    root = tmp_path / "assets"
    shutil.copytree(QUICK, root / "quick")
    (root / "environments").mkdir()
    (root / "environments/quick.yml").write_text("name: quick\nimage: python:3.11\n")
    (root / "compute").mkdir()
    (root / "compute/small.yml").write_text(
        "name: small\ntype: amlcompute\nsize: STANDARD_DS2_V2\nmax_instances: 1\n"
    )
    return AssetFiles(root)


@pytest.fixture
def service(
    storage_account: StorageAccount, workspace: Workspace, production_workspace: Workspace, tmp_path: Path
) -> Service:
    feed = a_feed(storage_account.name, score=SCORE)
    names: dict[str, Any] = {"development": workspace.name, "production": production_workspace.name}
    return a_service(tmp_path, storage_account.name, Clock(), **names, digits=feed)


@pytest.fixture
def production(production_workspace: Workspace) -> "MLClient":
    return ml_client(production_workspace.name)


def deploy(service: Service, assets: AssetFiles) -> list[DeployStep]:
    return list(Deployment(service, assets).run())


def made(steps: list[DeployStep]) -> list[str]:
    return [step.what for step in steps if step.made]


def test_it_makes_all_that_the_configuration_names(
    service: Service, assets: AssetFiles, ml: "MLClient", storage_account: StorageAccount
) -> None:
    steps = deploy(service, assets)

    datastore = f"tidegate_{storage_account.name}_images"
    assert made(steps) == [
        "queue tidegate-work",
        "queue tidegate-work-poison",
        "tables of the ledger",
        "container tidegate-rejected",
        "container tidegate-deadletter",
        "container images",
        f"datastore {datastore}",
        "environment quick:1",
        "component quick:1",
        "feed digits: 0 jobs start now",
    ]
    assert [step.what for step in steps if not step.made] == ["compute small (the first job will create it)"]
    assert ml.environments.get("quick", label="latest").image == "python:3.11"
    found = ml.datastores.get(datastore)
    assert (found.account_name, found.container_name) == (storage_account.name, "images")
    assert found.credentials.type == "None"


def test_more_nodes_than_azure_allows_are_refused_before_anything_is_registered(
    service: Service, assets: AssetFiles, ml: "MLClient"
) -> None:
    cluster, step = assets.root / "compute/small.yml", assets.root / "quick/publish.yml"
    fitting = cluster.read_text()
    cluster.write_text(fitting.replace("max_instances: 1", "max_instances: 101"))
    with pytest.raises(PermanentError, match=r"small\.yml asks for 101 nodes, and Azure allows at most 100"):
        deploy(service, assets)

    cluster.write_text(fitting)
    step.write_text(step.read_text() + "resources: {instance_count: 120}\n")
    with pytest.raises(
        PermanentError, match=r"step publish_predictions of .*pipeline\.yml asks for 120 nodes"
    ):
        deploy(service, assets)

    assert list(ml.components.list(name="quick")) == []


def test_deploying_again_registers_nothing(service: Service, assets: AssetFiles, ml: "MLClient") -> None:
    deploy(service, assets)

    again = deploy(service, assets)

    assert made(again) == []
    assert [component.version for component in ml.components.list(name="quick")] == ["1"]


def test_a_launch_finds_the_newest_and_former_content_is_newest_again(
    service: Service, assets: AssetFiles
) -> None:
    script = assets.root / "quick/publish.py"
    former = script.read_text()
    newest = service.workspaces["development"].assets.newest_pipeline
    deploy(service, assets)

    script.write_text(former + "# changed\n")
    changed, found = deploy(service, assets), newest("quick").id
    script.write_text(former)
    back, found_after = deploy(service, assets), newest("quick").id

    assert (made(changed), made(back)) == (["component quick:2"], ["component quick:3"])
    assert (found[-2:], found_after[-2:]) == ("/2", "/3")


def test_another_environment_makes_another_component_too(service: Service, assets: AssetFiles) -> None:
    deploy(service, assets)

    (assets.root / "environments/quick.yml").write_text("name: quick\nimage: python:3.12\n")
    changed = deploy(service, assets)

    assert made(changed) == ["environment quick:2", "component quick:2"]


@pytest.mark.parametrize("name", ["README.md", ".hidden", "__pycache__/publish.pyc"])
def test_what_no_job_reads_changes_nothing(assets: AssetFiles, name: str) -> None:
    before = assets.content("quick")

    file = assets.root / "quick" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("something")

    assert assets.content("quick") == before


def test_a_workspace_that_scores_no_feed_gets_nothing(
    service: Service, assets: AssetFiles, production: "MLClient"
) -> None:
    steps = list(Deployment(service, assets).run(["production"]))

    assert "container images" not in [step.what for step in steps]
    assert list(production.components.list()) == []


def test_a_wrong_datastore_is_corrected(
    service: Service, assets: AssetFiles, ml: "MLClient", storage_account: StorageAccount
) -> None:
    from azure.ai.ml.entities import AzureBlobDatastore

    name = f"tidegate_{storage_account.name}_images"
    ml.datastores.create_or_update(
        AzureBlobDatastore(name=name, account_name="other", container_name="images")
    )

    deploy(service, assets)

    assert ml.datastores.get(name).account_name == storage_account.name


@pytest.mark.parametrize(
    ("score", "says"),
    [
        (
            {"pipeline": "weekly"},
            r"pipeline weekly: there is no .*weekly/pipeline.yml; existing pipelines: quick",
        ),
        ({"compute": "huge"}, r"compute huge: the workspace has none, and there is no .*compute/huge.yml"),
        ({"fallback": "renamed"}, r"compute renamed: .*renamed.yml has another name"),
    ],
)
def test_a_name_without_a_file_is_said_before_a_component_is_made(
    tidepool: Tidepool, workspace: Workspace, assets: AssetFiles, score: dict[str, str], says: str
) -> None:
    shutil.copy(assets.root / "compute/small.yml", assets.root / "compute/renamed.yml")
    account = tidepool.create_storage_account()
    feed = a_feed(account.name, score=SCORE | score)
    service = a_service(assets.root, account.name, Clock(), development=workspace.name, digits=feed)  # type: ignore[arg-type]

    with pytest.raises(ConfigError, match=says):
        deploy(service, assets)

    assert list(service.workspaces["development"].client.ml.components.list()) == []


def test_a_pipeline_of_another_name_than_its_folder_is_refused(assets: AssetFiles) -> None:
    (assets.root / "quick").rename(assets.root / "slow")

    with pytest.raises(ConfigError, match=r"slow/pipeline.yml is named 'quick'"):
        assets.pipeline("slow")
