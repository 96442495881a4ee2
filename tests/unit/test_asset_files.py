"""Which pipelines and clusters a configuration names, workspace by workspace, and where their files are."""

from pathlib import Path
from typing import Any

import pytest
from tests.support import config_yaml
from tests.support.model_versions import POLICY

from tidegate.config.schema import Config
from tidegate.errors import ConfigError
from tidegate.installation.asset_files import AssetFiles, clusters_in, pipelines_in, roles_in

DRIFT = {"feed": "digits", "retrain": "retraining", "compute": "gpu-dedicated"}


def a_config(workspace: str, models: dict[str, Any]) -> Config:
    feed = config_yaml.a_feed()
    feed["score"] = {**feed["score"], "workspace": workspace}
    return Config.model_validate(config_yaml.values(digits=feed) | {"models": models})


def test_models_are_judged_and_trained_in_development_wherever_feeds_are_scored() -> None:
    config = a_config("production", {"classifier": {**POLICY, "drift": DRIFT}})

    assert roles_in(config) == ["production", "development"]
    assert pipelines_in(config, "production") == ["image_scoring"]
    assert pipelines_in(config, "development") == ["quick_evaluation", "retraining"]
    assert clusters_in(config, "development") == ["cpu", "gpu-dedicated"]


def test_without_policies_only_feeds_need_anything() -> None:
    config = a_config("production", {})

    assert roles_in(config) == ["production"]
    assert pipelines_in(config, "development") == clusters_in(config, "development") == []


def test_where_only_the_package_is_installed_it_asks_for_a_checkout(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="from a checkout or from its wheel"):
        AssetFiles(tmp_path / "assets").pipeline("image_scoring")


def test_a_step_in_another_folder_is_part_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "scoring").mkdir()
    (tmp_path / "shared").mkdir()
    jobs = "jobs: {profile: {component: ../shared/profile.yml}, theirs: {component: 'azureml:theirs:1'}}"
    (tmp_path / "scoring/pipeline.yml").write_text(f"name: scoring\n{jobs}\n")
    (tmp_path / "shared/profile.yml").write_text("code: .\n")
    (tmp_path / "shared/profile.py").write_text("1")
    before = AssetFiles(tmp_path).content("scoring")

    (tmp_path / "shared/profile.py").write_text("2")

    assert AssetFiles(tmp_path).content("scoring") != before


def test_a_change_in_a_folder_that_a_component_includes_makes_a_new_version(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "shared/__pycache__").mkdir(parents=True)
    (tmp_path / "training/pipeline.yml").write_text("name: training\n")
    (tmp_path / "training/step.yml").write_text("additional_includes: [../shared]\n")
    (tmp_path / "shared/code.py").write_text("x = 1\n")
    files = AssetFiles(tmp_path)
    before = files.content("training")

    (tmp_path / "shared/__pycache__/code.pyc").write_bytes(b"1")
    (tmp_path / "shared/README.md").write_text("text")
    assert files.content("training") == before
    (tmp_path / "shared/code.py").write_text("x = 2\n")
    assert files.content("training") != before
