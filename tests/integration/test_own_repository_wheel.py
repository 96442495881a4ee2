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


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_repository_made_from_the_wheel_passes_its_own_tests_and_runs_and_is_packaged(
    tmp_path: Path,
) -> None:
    uv = shutil.which("uv") or str(ROOT / ".tools/uv/bin/uv")
    python, tidegate = str(tmp_path / "env/bin/python"), str(tmp_path / "env/bin/tidegate")
    run(ROOT, uv, "build", "--quiet", "--wheel", "--out-dir", str(tmp_path / "dist"), ".")
    [wheel] = (tmp_path / "dist").glob("tidegate-*.whl")
    run(tmp_path, uv, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "env"))
    run(tmp_path, uv, "pip", "install", "--quiet", "--python", python, f"{wheel}[cli]")
    empty = tmp_path / "empty"
    empty.mkdir()

    assert "init" in run(empty, tidegate, "--help")
    run(empty, tidegate, "init", "ours")
    repository = empty / "ours"
    assert "1 passed" in run(repository, "make", "test")
    assert "is in production" in run(repository, "make", "up")
    run(repository, "make", "down")
    run(repository, "make", "package")
    [file] = (repository / "dist").glob("*.zip")
    names = set(zipfile.ZipFile(file).namelist())
    assert {"function_app.py", "host.json", "tidegate.yml", "src/assets/compute/cpu.yml"} <= names
    assert ".python_packages/lib/site-packages/tidegate/bootstrap.py" in names
    assert not [name for name in names if name.startswith(("tests/", "wheels/", "src/tidegate"))]
    assert "up to date" in run(repository, ".venv/bin/tidegate", "init", "--upgrade")
