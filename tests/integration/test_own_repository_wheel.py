"""The wheel alone, in an empty folder: `tidegate init`, and then what the new repository's README says."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.support.installation import ROOT

# How packages are installed on this machine. Nothing else of the environment reaches the new repository.
INSTALLING = re.compile(r"PATH|HOME|(PIP|UV)_.*|(SSL_CERT|NODE_EXTRA_CA)_.*")


def run(folder: Path, *command: str) -> str:
    """Run a program, and return its output. The test fails with this output if the program fails."""
    environ = {name: value for name, value in os.environ.items() if INSTALLING.fullmatch(name)}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def tidegate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the wheel, install it alone into an environment, and return its command."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = shutil.which("uv") or str(ROOT / ".tools/uv/bin/uv")
    run(ROOT, uv, "build", "--quiet", "--wheel", "--out-dir", str(folder / "dist"), ".")
    [wheel] = (folder / "dist").glob("tidegate-*.whl")
    run(folder, uv, "venv", "--quiet", "--python", sys.executable, str(folder / "env"))
    run(folder, uv, "pip", "install", "--quiet", "--python", str(folder / "env/bin/python"), f"{wheel}[cli]")
    return str(folder / "env/bin/tidegate")


def made(tidegate: str, empty: Path, example: str) -> Path:
    """Make a repository that begins with an example, and return it after the two commands of its README."""
    run(empty, tidegate, "init", "ours", "--example", example)
    repository = empty / "ours"
    assert "1 passed" in run(repository, "make", "test")
    try:
        assert ("is scored" if example == "tables" else "is in production") in run(repository, "make", "up")
    finally:
        run(repository, "make", "down")
    return repository


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("example", ["tables", "many-models"])
def test_each_example_passes_its_test_and_runs(tidegate: str, tmp_path: Path, example: str) -> None:
    made(tidegate, tmp_path, example)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_repository_made_from_the_wheel_passes_its_own_tests_and_runs_and_is_packaged(
    tidegate: str, tmp_path: Path
) -> None:
    assert "init" in run(tmp_path, tidegate, "--help")
    repository = made(tidegate, tmp_path, "images")
    run(repository, "make", "package")
    [file] = (repository / "dist").glob("*.zip")
    names = set(zipfile.ZipFile(file).namelist())
    assert {"function_app.py", "host.json", "tidegate.yml", "src/assets/compute/cpu.yml"} <= names
    assert ".python_packages/lib/site-packages/tidegate/bootstrap.py" in names
    assert not [name for name in names if name.startswith(("tests/", "wheels/", "src/tidegate"))]
    assert "up to date" in run(repository, ".venv/bin/tidegate", "init", "--upgrade")
