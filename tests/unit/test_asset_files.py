"""What counts as a pipeline's content: its own files, and those that its components include."""

from pathlib import Path

import pytest

from tidegate.asset_files import AssetFiles


@pytest.fixture
def assets(tmp_path: Path) -> AssetFiles:
    """Two pipelines; a step of the second includes a file of the first."""
    for name, step in {
        "first": "type: command\n",
        "second": "additional_includes: [../first/shared.py]\n",
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "pipeline.yml").write_text(f"name: {name}\n")
        (folder / "step.yml").write_text(step)
    (tmp_path / "first/shared.py").write_text("VALUE = 1\n")
    (tmp_path / "first/own.py").write_text("VALUE = 1\n")
    return AssetFiles(tmp_path)


def test_a_file_that_a_step_includes_is_its_pipelines_content(assets: AssetFiles) -> None:
    before = assets.content("second")

    (assets.root / "first/shared.py").write_text("VALUE = 2\n")

    assert assets.content("second") != before


def test_other_files_of_that_folder_are_not(assets: AssetFiles) -> None:
    before = assets.content("second")

    (assets.root / "first/own.py").write_text("VALUE = 2\n")

    assert assets.content("second") == before
