"""Virtual environments that uv builds from conda files, with wheels from a folder instead of an index."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from tests.support.azure_clients import ml_client
from tests.support.online_endpoint import OnlineEndpoint

from tidepool.cloud import Tidepool
from tidepool.default_resources import workspace_id
from tidepool.jobs.python_environments import BUILD, EnvironmentBuildError, PythonEnvironments
from tidepool.store import Document, Store

UV = Path(__file__).parents[2] / ".tools" / "uv" / "bin"


@pytest.fixture(autouse=True)
def _uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the project's own uv on the PATH, because a machine may have none."""
    monkeypatch.setenv("PATH", f"{UV}{os.pathsep}{os.environ['PATH']}")
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed")


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """Return a folder with the packages `tiny`, and `old`, which has a wheel for Python 3.6 only."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, tag in (("tiny", "py3-none-any"), ("old", "cp36-cp36m-manylinux1_x86_64")):
        info = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(folder / f"{name}-1.0-{tag}.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", "NUMBER = 41\n")
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
            wheel.writestr(f"{info}/RECORD", "")
    return folder


def conda(wheels: Path, *requirements: str) -> str:
    python = f"python={sys.version_info.major}.{sys.version_info.minor}"
    pip = ["--no-index", f"--find-links {wheels}", *requirements]
    return json.dumps({"dependencies": [python, {"pip": pip}]})


def environment(text: str) -> Document:
    identifier = f"{workspace_id('mlw-dev')}/environments/mine/versions/1"
    return {"id": identifier, "properties": {"condaFile": text}}


def builder(folder: Path) -> PythonEnvironments:
    return PythonEnvironments(store=Store(":memory:"), mode=BUILD, python=Path(sys.executable), folder=folder)


def test_a_conda_file_becomes_a_virtual_environment_once(tmp_path: Path, wheels: Path) -> None:
    document = environment(conda(wheels, "tiny==1.0"))

    built = asyncio.run(builder(tmp_path / "environments").of(document))
    again = asyncio.run(builder(tmp_path / "environments").of(document))

    script = (
        "import tiny, tidepool.jobs.parallel, importlib.util as u; print(tiny.NUMBER, u.find_spec('numpy'))"
    )
    done = subprocess.run([built.python, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "41 None\n"
    assert "tiny==1.0" in built.log
    assert again.python == built.python
    assert len(list((tmp_path / "environments").iterdir())) == 1


@pytest.mark.parametrize("version", ["3.8", "3.9"])
def test_what_runs_a_step_or_a_deployment_runs_in_an_older_python(tmp_path: Path, version: str) -> None:
    if subprocess.run(["uv", "python", "find", version], capture_output=True, check=False).returncode:
        pytest.skip(f"this machine has no Python {version}")
    document = environment(json.dumps({"dependencies": [f"python={version}.0"]}))

    built = asyncio.run(builder(tmp_path / "environments").of(document))

    modules = "tidepool.jobs.parallel, tidepool.jobs.parallel_worker, tidepool.endpoints.scoring_server"
    script = f"import {modules}, tidepool.endpoints.scoring_mlflow, sys; print(sys.version_info[:2])"
    done = subprocess.run([built.python, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{tuple(map(int, version.split('.')))}\n"
    assert f"Python {version}." in built.log


@pytest.mark.parametrize("pin", ["old==1.0", "tiny==2.0"])
def test_a_pin_without_a_wheel_is_refused_and_named_with_the_python(
    tmp_path: Path, wheels: Path, pin: str
) -> None:
    with pytest.raises(EnvironmentBuildError, match=rf"(?s)mine:1 .*Python 3\.\d+.*{pin}") as refused:
        asyncio.run(builder(tmp_path / "environments").of(environment(conda(wheels, pin))))

    assert pin in refused.value.log


def test_what_only_conda_has_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBuildError, match=r"mine:1 .* no package for cudatoolkit=11.3"):
        asyncio.run(builder(tmp_path).of(environment("dependencies: [cudatoolkit=11.3]")))


@pytest.mark.long
def test_jobs_and_deployments_run_in_the_environments_that_tidepool_builds(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azure.ai.ml import command
    from azure.ai.ml.entities import Environment

    (tmp_path / "conda.yml").write_text(conda(wheels, "tiny==1.0"))
    (tmp_path / "bad.yml").write_text(conda(wheels, "old==1.0"))
    with Tidepool(tmp_path / "data", environments="build") as cloud:
        for name, value in cloud.environment().items():
            monkeypatch.setenv(name, value)
        ml = ml_client("mlw-dev")
        jobs = []
        for name in ("conda", "bad"):
            made = Environment(name=name, version="1", image="python", conda_file=tmp_path / f"{name}.yml")
            ml.environments.create_or_update(made)
            job = command(command="python -c 'import tiny'", environment=f"azureml:{name}:1")
            jobs.append(ml.jobs.create_or_update(job).name)
        cloud.settle()
        states = [ml.jobs.get(name).status for name in jobs]
        details = ml.jobs._runs_operations.get_run_details(jobs[1])
        online = OnlineEndpoint(ml, tmp_path)
        online.script.write_text("import tiny\ndef init(): pass\ndef run(_): return tiny.NUMBER\n")
        online.deploy("blue", environment="azureml:conda:1")
        answer = online.ask({}, "blue")
        with pytest.raises(HttpResponseError, match=r"ImageBuildFailure(?s:.*)old==1\.0"):
            online.deploy("green", environment="azureml:bad:1")

    assert answer.json() == 41
    assert states == ["Completed", "Failed"]
    assert "old==1.0" in details.error.error.message
