"""All commands of the command line: their help, and how they end if the service is gone."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import config_yaml
from tests.support.cli_commands import COMMANDS, required_arguments, uses_service

from tidegate.cli.app import main

VALUES = {
    "feed_partition": ["digits", "202611"],
    "feed": ["digits"],
    "name": ["digit-classifier:3"],
    "reason": ["a test"],
    "what": ["202601..202610"],
    "subject": ["digits:202611"],
    "model": ["digit-classifier:3"],
    "folder": ["a-folder-that-is-not-written"],
    "detail": ["a test"],
    "passed": [],
}
# Neither needs a service: init writes files, and serving-code reads tidegate.yml.
LOCAL = {"init", "serving-code"}
# These need something that no required parameter says.
MORE = {"replay": ["0123456789ab"], "pause": ["digits"], "resume": ["digits"]}


@pytest.fixture
def _gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A shell whose service and whose Azure are gone: nothing listens at their addresses."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        for name in ("FUNCTIONS_URL", "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
            monkeypatch.setenv(name, url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        monkeypatch.setenv("FUNCTIONS_KEY", "key")
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "stgone")
        for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID"):
            monkeypatch.setenv(name, "00000000-0000-4000-8000-000000000003")
        monkeypatch.setenv("AZURE_CLIENT_SECRET", "secret")
        monkeypatch.setenv("TIDEGATE_CONFIG", str(config_yaml.write(tmp_path, config_yaml.values())))
        yield


def ends(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_documents_json_and_its_exit_codes(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    assert ends(name, "--help") == 0

    help = capsys.readouterr().out
    assert "--json" in help
    assert "Exit codes: 0 done; 1 refused or failed" in help


@pytest.mark.usefixtures("_gone")
@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in LOCAL])
def test_every_command_ends_with_3_if_the_service_is_gone(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = [*required_arguments(COMMANDS[name], VALUES), *MORE.get(name, [])]

    assert ends(name, *arguments, "--json") == 3

    said = capfd.readouterr()
    if uses_service(COMMANDS[name]):
        assert said.out == ""
        assert said.err.startswith("No service answers at http://127.0.0.1:")
    elif said.out:
        json.loads(said.out)
    assert "Traceback" not in said.err


def test_what_needs_no_service_is_named_here() -> None:
    assert {name for name in LOCAL if uses_service(COMMANDS[name])} == set()


@pytest.mark.parametrize("option", ["--show-completion", "--install-completion"])
def test_the_shell_can_complete_commands(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ends("--help") == 0

    assert option in capsys.readouterr().out
