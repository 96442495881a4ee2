"""Registries: models are shared from a workspace to a registry, with the unmodified SDK."""

from pathlib import Path

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Data, Environment, Model
from azure.ai.ml.exceptions import ValidationException
from azure.core.exceptions import ResourceNotFoundError
from tests.support.arm_requests import arm, token
from tests.support.azure_clients import registry_client

from tidepool.cloud import Tidepool, Workspace

REGISTRY = "tidepool-registry"


@pytest.fixture
def shared(ml: MLClient, workspace: Workspace, tmp_path: Path) -> str:
    """Return the name of a model whose version 4 was shared to the registry."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(b"weights")
    name = f"classifier-{workspace.name}"
    ml.models.create_or_update(
        Model(name="classifier", version="1", path=str(tmp_path / "model"), tags={"accuracy": "0.9"})
    )
    share(ml, name)
    return name


def share(ml: MLClient, name: str) -> None:
    ml.models.share(
        name="classifier", version="1", share_with_name=name, share_with_version="4", registry_name=REGISTRY
    )


def test_a_shared_model_has_its_files_and_tags_in_the_registry(
    registry: MLClient, shared: str, tmp_path: Path
) -> None:
    model = registry.models.get(shared, "4")
    registry.models.download(shared, "4", download_path=tmp_path / "back")

    assert model.id == f"azureml://registries/{REGISTRY}/models/{shared}/versions/4"
    assert model.tags == {"accuracy": "0.9"}
    assert registry.models.get(shared, label="latest").version == "4"
    assert shared in [listed.name for listed in registry.models.list()]
    assert [file.read_bytes() for file in (tmp_path / "back").rglob("weights.bin")] == [b"weights"]


def test_a_model_is_shared_once(ml: MLClient, shared: str) -> None:
    with pytest.raises(ValidationException, match="already exists in registry"):
        share(ml, shared)


def test_sharing_raises_no_event_of_the_workspace(
    tidepool: Tidepool, workspace: Workspace, shared: str
) -> None:
    of_registry = [event for event in tidepool.events if event.get("subject") == f"models/{shared}:4"]
    of_workspace = [event for event in tidepool.events if event.get("topic") == workspace.id]
    assert (of_registry, [event["subject"] for event in of_workspace]) == ([], ["models/classifier:1"])


def test_assets_can_be_created_in_the_registry(
    tidepool: Tidepool, registry: MLClient, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n")
    name = f"own-{workspace.name}"

    registry.environments.create_or_update(Environment(name=name, version="1", image="python:3.11"))
    registry.data.create_or_update(
        Data(name=name, version="1", type="uri_file", path=str(tmp_path / "rows.csv"))
    )

    assert registry.environments.get(name, "1").image == "python:3.11"
    assert registry.data.get(name, "1").type == "uri_file"
    group = workspace.id.partition("/providers/")[0]
    upload = f"{group}/providers/Microsoft.MachineLearningServices/registries/{REGISTRY}/tempdatarefs/{name}"
    asset = {"assetId": f"azureml://registries/{REGISTRY}/data/{name}/versions/1"}
    again = arm("PUT", f"{upload}/versions/1", token(tidepool, "developer"), asset)
    assert again.status_code == 409


def test_an_unknown_registry_or_model_is_not_found(registry: MLClient, ml: MLClient) -> None:
    with pytest.raises(ResourceNotFoundError):
        registry.models.get("missing", "1")
    with pytest.raises(ResourceNotFoundError, match="nowhere"):
        registry_client("nowhere")
