"""Tags on a model that has tags of its own; Azure takes fifty."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.azure_clients import ml_client
from tests.support.clock import Clock
from tests.support.installation import MLMODEL
from tests.support.service import a_service

from tidegate.cloud.assets import AssetClient
from tidepool.cloud import StorageAccount, Workspace

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

VERDICT = {"tidegate_verdict": "passed", "tidegate_verdict_id": "v1", "tidegate_verdict_job": "judge-m-1"}


def tags_of_theirs(count: int) -> dict[str, str]:
    return {f"tag{number}": "x" for number in range(count)}


@dataclass(frozen=True)
class Tagged:
    ml: "MLClient"
    assets: AssetClient
    folder: Path

    def register(self, tags: dict[str, str]) -> None:
        from azure.ai.ml.entities import Model

        (self.folder / "MLmodel").write_text(MLMODEL)
        self.ml.models.create_or_update(Model(name="m", version="1", path=self.folder, tags=tags))

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.ml.models.get("m", "1").tags)


@pytest.fixture
def model(
    storage_account: StorageAccount,
    workspace: Workspace,
    tmp_path: Path,
) -> Tagged:
    service = a_service(tmp_path, storage_account.name, Clock(), development=workspace.name)  # type: ignore[arg-type]
    folder = tmp_path / "model"
    folder.mkdir()
    return Tagged(ml_client(workspace.name), service.workspaces["development"].assets, folder)


@pytest.mark.parametrize(("own", "kept"), [(0, 3), (47, 3), (48, 2), (50, 0)])
def test_as_many_tags_as_there_is_room_for_are_added_the_first_ones_first(
    model: Tagged, own: int, kept: int
) -> None:
    model.register(tags_of_theirs(own))

    for _ in range(2):
        model.assets.tag_model("m", "1", VERDICT)

    assert model.tags == tags_of_theirs(own) | dict(list(VERDICT.items())[:kept])


def test_a_tag_that_is_there_is_renewed_where_there_is_no_more_room(model: Tagged) -> None:
    model.register(tags_of_theirs(49))

    model.assets.tag_model("m", "1", VERDICT)
    model.assets.tag_model("m", "1", {**VERDICT, "tidegate_verdict": "failed"})

    assert model.tags == tags_of_theirs(49) | {"tidegate_verdict": "failed"}
