"""A user's own repository: what `tidegate init` writes, and what a later release shows."""

import hashlib
import json
import os
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from tidegate.cli.app import main
from tidegate.config.loader import load, missing_files
from tidegate.installation.own_repository import RECORD, decide_changes
from tidegate.installation.package_files import app_files

WHEEL = f"tidegate-{version('tidegate')}-py3-none-any.whl"
URL = f"https://example.org/releases/{WHEEL}"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of a user, made with a wheel that is a file."""
    (tmp_path / WHEEL).write_bytes(b"PK\x03\x04\xff")
    assert run("init", str(tmp_path / "ours"), "--wheel", str(tmp_path / WHEEL)) == 0
    return tmp_path / "ours"


def run(*arguments: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def content(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_a_new_repository_has_everything_that_installs_and_tests_the_service(repository: Path) -> None:
    files = content(repository)

    assert files["function_app.py"] == (ROOT / "function_app.py").read_bytes()
    assert files["infra/hooks/prepackage.sh"] == (ROOT / "infra/hooks/prepackage.sh").read_bytes()
    assert os.access(repository / "infra/hooks/prepackage.sh", os.X_OK)
    assert {"host.json", "azure.yaml", "README.md", "Makefile", ".gitignore", ".funcignore"} <= files.keys()
    assert {
        "tests/test_service.py",
        "infra/main.bicep",
        "infra/roles.yaml",
        f"wheels/{WHEEL}",
    } <= files.keys()
    assert {".github/workflows/ci.yml", ".github/workflows/deploy.yml"} <= files.keys()
    assert "src/assets/compute/cpu.yml" in files
    assert not [name for name in files if "snapshot" in name or name.endswith(".pyc")]


def test_its_requirements_name_the_wheel_and_what_this_release_is_tested_with(repository: Path) -> None:
    lines = (repository / "requirements.txt").read_text().splitlines()
    for_tests = (repository / "requirements-dev.txt").read_text().splitlines()

    assert f"./wheels/{WHEEL}" in lines
    assert set((ROOT / "requirements.txt").read_text().splitlines()) <= set(lines)
    assert {"-r requirements.txt", f"./wheels/{WHEEL}[cli,tidepool]"} <= set(for_tests)
    assert "{" not in "".join(for_tests)


def test_a_wheel_may_be_an_address(tmp_path: Path) -> None:
    assert run("init", str(tmp_path / "ours"), "--wheel", URL) == 0

    assert f"tidegate @ {URL}" in (tmp_path / "ours/requirements.txt").read_text().splitlines()
    assert f"tidegate[cli,tidepool] @ {URL}" in (tmp_path / "ours/requirements-dev.txt").read_text()
    assert not (tmp_path / "ours/wheels").exists()


@pytest.mark.parametrize(
    ("example", "feed", "others"),
    [
        ("images", "digits", ("sales", "tables")),
        ("tables", "orders", ("digits", "sales")),
        ("many-models", "sales", ("digits", "tables")),
    ],
)
def test_a_repository_begins_with_one_example(
    tmp_path: Path, example: str, feed: str, others: tuple[str, ...]
) -> None:
    assert run("init", str(tmp_path), "--example", example, "--wheel", URL) == 0

    files = {name: text.decode() for name, text in content(tmp_path).items()}
    assert list(yaml.safe_load(files["tidegate.yml"])["feeds"]) == [feed]
    assert not [name for name in files if name.startswith(tuple(f"examples/{other}/" for other in others))]
    assert [name for name in files if name.endswith("tidegate.yml")] == ["tidegate.yml"]
    for name in ("Makefile", "README.md", "tests/test_service.py", "requirements-dev.txt"):
        assert not re.search(r"\{[a-z]+\}", re.sub(r"\\{\w+\\}|\$\{\w+\}|awk.*", "", files[name])), name
    for module in re.findall(r"-m examples\.(\S+)", files["Makefile"]):
        assert f"examples/{module.replace('.', '/')}.py" in files
    assert ("lightgbm" in files["requirements-dev.txt"]) == (example == "many-models")


def test_what_is_deployed_is_the_app_with_what_its_configuration_names(repository: Path) -> None:
    deployed = {str(path) for path in app_files(repository)}
    variables = dict.fromkeys(
        ["AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_STORAGE_ACCOUNT", "NOTIFY_URL"]
        + [f"AZURE_RESOURCE_GROUP_{role}" for role in ("DEVELOPMENT", "PRODUCTION")]
        + [f"AZUREML_WORKSPACE_{role}" for role in ("DEVELOPMENT", "PRODUCTION")],
        "some1",
    )

    assert {"function_app.py", "host.json", "tidegate.yml", "requirements.txt"} <= deployed
    assert {"infra/subscriptions.yaml", "src/assets/compute/cpu.yml"} <= deployed
    assert not [name for name in deployed if name.startswith(("tests/", "wheels/", "infra/m", "."))]
    assert missing_files(load(repository / "tidegate.yml", variables), repository) == []


def test_its_workflows_use_only_targets_of_its_makefile(repository: Path) -> None:
    help_lines = subprocess.run(
        ["make", "help"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout
    for file in (repository / ".github/workflows").glob("*.yml"):
        jobs = yaml.safe_load(file.read_text())["jobs"].values()
        scripts = [step["run"] for job in jobs for step in job.get("steps", []) if "run" in step]
        for script in scripts:
            assert "--editable" not in script
            if script.startswith("make "):
                assert f"make {script.split()[1]} " in help_lines


def test_a_folder_that_is_not_empty_is_refused_and_stays_as_it_is(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "tidegate.yml").write_text("ours")
    before = content(repository)

    assert run("init", str(repository), "--wheel", URL) == 1

    assert "is not empty: it has .funcignore, " in (said := capsys.readouterr().err)
    assert "--upgrade" in said
    assert content(repository) == before


def test_a_new_clone_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()

    assert run("init", str(tmp_path), "--wheel", URL) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--example", "words"], "no example 'words'; use one of: images, tables, many-models"),
        (["--wheel", "tidegate"], "is not a wheel of Tidegate"),
        (["--wheel", f"http://example.org/{WHEEL}"], "is not an https:// address"),
        (["--wheel", f"missing/{WHEEL}"], "there is no file"),
        (["--wheel", "https://example.org/tidegate-0.0.9-py3-none-any.whl"], "not of the release that runs"),
        (["--upgrade"], f"has no {RECORD}"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(
    tmp_path: Path, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("init", str(tmp_path / "ours"), "--wheel", URL, *options) == 1

    assert says in capsys.readouterr().err
    assert not (tmp_path / "ours").exists()


def test_without_a_wheel_it_is_the_installed_one_which_a_checkout_does_not_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("init", str(tmp_path / "ours")) == 1

    assert "--wheel FILE" in capsys.readouterr().err


def test_an_upgrade_shows_a_diff_and_writes_only_if_it_is_asked_to(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_of_an_older_release(repository, "host.json", b"{}\n")
    (repository / "README.md").write_text("ours\n")  # changed by the user, not by the release
    before = content(repository)
    arguments = ["init", str(repository), "--upgrade", "--wheel", str(repository / "wheels" / WHEEL)]

    assert run(*arguments) == 0

    said = capsys.readouterr()
    assert "--- a/host.json\n+++ b/host.json\n" in said.out
    assert "-{}\n" in said.out
    assert "README" not in said.out
    assert "Nothing is written" in said.err
    assert content(repository) == before
    assert run(*arguments, "--write") == 0
    assert (repository / "host.json").read_bytes() == (ROOT / "host.json").read_bytes()
    assert (repository / "README.md").read_text() == "ours\n"
    capsys.readouterr()
    assert run(*arguments) == 0
    assert "Everything is up to date" in capsys.readouterr().err


def test_an_upgrade_keeps_a_file_that_user_and_release_changed(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_of_an_older_release(repository, "host.json", b"{}\n")
    (repository / "host.json").write_text('{"ours": 1}\n')
    wheel = str(repository / "wheels" / WHEEL)

    assert run("init", str(repository), "--upgrade", "--write", "--wheel", wheel) == 0

    said = capsys.readouterr()
    assert '-{"ours": 1}\n' in said.out
    assert "merge the diff by hand: host.json" in said.err
    assert (repository / "host.json").read_text() == '{"ours": 1}\n'


def test_a_wheel_of_another_release_takes_the_place_of_the_former(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("init", str(repository), "--upgrade", "--write", "--wheel", URL) == 0

    said = capsys.readouterr().out
    assert f"-./wheels/{WHEEL}\n+tidegate @ {URL}\n" in said
    assert f"Binary files a/wheels/{WHEEL} and /dev/null differ" in said
    assert not (repository / "wheels" / WHEEL).exists()


def test_only_files_that_the_release_changed_are_shown() -> None:
    recorded = {name: digest_of(b"1") for name in ("same", "newer", "deleted", "gone", "gone and changed")}
    present = {"same": b"2", "newer": b"1", "gone": b"1", "gone and changed": b"2", "both": b"mine"}
    release = {"same": b"1", "newer": b"2", "deleted": b"1", "new": b"1", "both": b"theirs"}

    changes = decide_changes(recorded, present, release)

    assert [(change.path, change.kept) for change in changes] == [
        ("both", True),
        ("gone", False),
        ("gone and changed", True),
        ("new", False),
        ("newer", False),
    ]


def as_of_an_older_release(repository: Path, name: str, old: bytes) -> None:
    """Make a file and the record as an older release wrote them."""
    record = json.loads((repository / RECORD).read_text())
    record["files"][name] = digest_of(old)
    (repository / RECORD).write_text(json.dumps(record))
    (repository / name).write_bytes(old)


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
