"""The hooks of azd, with programs that only record how they were called."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ENVIRON = {
    "AZURE_ENV_NAME": "sample",
    "AZURE_LOCATION": "japaneast",
    "AZURE_SUBSCRIPTION_ID": "00000000-0000-4000-8000-000000000001",
    "TIDEGATE_RESOURCE_GROUP": "rg-sample-service",
    "TIDEGATE_FUNCTION_APP": "func-sample",
    "TIDEGATE_STORAGE_ACCOUNT": "stservice",
    "AZURE_STORAGE_ACCOUNT": "stfeed",
}
RECORDED = '#!/bin/sh\necho "$(basename "$0") $*" >> "$CALLS"\n'
TIDEGATE = """#!/bin/sh
echo "tidegate $* key=$FUNCTIONS_KEY account=$(printenv AzureWebJobsStorage__accountName)" >> "$CALLS"
"""
# It fails at its first call, as while Azure does not know the function yet.
AZ = RECORDED + 'if [ "$1" = deployment ] && [ ! -e "$CALLS.failed" ]; then : > "$CALLS.failed"; exit 1; fi\n'
AZ += 'if [ "$1" = functionapp ]; then echo secret; fi\n'
MAKE = RECORDED + 'mkdir -p dist && cp "$PACKAGE" dist/tidegate-python3.11.zip\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree("infra/hooks", tmp_path / "checkout/infra/hooks")
    programs = {"bin/az": AZ, "bin/sleep": RECORDED, "bin/make": MAKE, ".venv/bin/tidegate": TIDEGATE}
    for name, text in programs.items():
        file = tmp_path / "checkout" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    return tmp_path / "checkout"


def run(checkout: Path, hook: str, **environ: str) -> list[str]:
    """Run a hook as azd does, in the folder of its script, and return the calls that it made."""
    calls = checkout / "calls.txt"
    calls.touch()
    path = f"{checkout / 'bin'}:{os.environ['PATH']}"
    subprocess.run(
        [f"./{hook}"],
        cwd=checkout / "infra/hooks",
        env={**ENVIRON, **environ, "PATH": path, "CALLS": str(calls)},
        check=True,
        capture_output=True,
    )
    return calls.read_text().splitlines()


def test_after_the_code_come_subscriptions_then_what_deploy_makes_then_the_check(checkout: Path) -> None:
    calls = run(checkout, "postdeploy.sh")

    assert [call.split(" ")[0] for call in calls] == ["az", "sleep", "az", "az", "tidegate", "tidegate"]
    assert "deployment sub create" in calls[0]
    assert "--parameters infra/subscriptions.bicepparam" in calls[0]
    assert calls[2] == calls[0]  # tried again
    assert calls[4:] == [
        "tidegate deploy key=secret account=stservice",
        "tidegate doctor key=secret account=stservice",
    ]


def test_a_failing_check_fails_the_hook(checkout: Path) -> None:
    (checkout / ".venv/bin/tidegate").write_text(TIDEGATE + '[ "$1" != doctor ]\n')

    with pytest.raises(subprocess.CalledProcessError):
        run(checkout, "postdeploy.sh")


def test_the_package_is_unpacked_with_its_bytecode_where_azd_looks(checkout: Path, tmp_path: Path) -> None:
    package = tmp_path / "package.zip"
    content = tmp_path / "content/__pycache__"
    content.mkdir(parents=True)
    (content / "a.pyc").write_text("")
    shutil.make_archive(str(package.with_suffix("")), "zip", tmp_path / "content")
    (checkout / ".venv/bin/python").symlink_to(shutil.which("python3") or "python3")
    (checkout / "dist/package").mkdir(parents=True)
    (checkout / "dist/package/old.py").write_text("")

    calls = run(checkout, "prepackage.sh", PACKAGE=str(package), TIDEGATE_PYTHON="3.11")

    assert calls == ["make package PYTHON=3.11"]
    unpacked = checkout / "dist/package"
    assert {file.relative_to(unpacked).as_posix() for file in unpacked.rglob("*") if file.is_file()} == {
        ".funcignore",
        "__pycache__/a.pyc",
    }
    # azd leaves out bytecode unless the folder has an ignore file of its own.
    assert (unpacked / ".funcignore").read_text() == ""
