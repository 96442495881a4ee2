"""function_app.py as the Functions worker and host see it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from ruamel.yaml import YAML
from tests.support import config_yaml
from tests.support.event_grid import deliver
from tests.support.package import app_folder
from tests.support.payloads import as_json, blob_event
from tests.support.service import take_commands

from tidepool.cloud import Site, StorageAccount, Tidepool
from tidepool.functions.worker_process import PACKAGES, worker_command

EVENTS = ["blob_arrived", "run_completed", "run_status_changed", "model_registered", "model_deployed"]
FUNCTIONS = [*EVENTS, "data_drifted", "work", "work_poison", "reconcile", "live", "http", "web"]
HEAVY = ("azure.ai.ml", "mlflow", "pandas", "fastapi", "apprise", "azure.data.tables", "azure.storage.blob")


def _run(*command: str, **environment: str) -> str:
    environ = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(command, cwd="/", env=environ, capture_output=True, text=True, check=True).stdout


def _python(code: str, *arguments: str, **environment: str) -> str:
    """Run code that finds the files of the package and Python's own modules, and nothing else."""
    paths = f"{app_folder()}{os.pathsep}{app_folder() / PACKAGES}"
    return _run(sys.executable, "-P", "-S", "-c", code, *arguments, PYTHONPATH=paths, **environment)


def test_it_is_indexed_in_an_empty_environment() -> None:
    said = _run(*worker_command(app_folder()), "--index-only", str(app_folder()))

    assert json.loads(said)["functions"] == FUNCTIONS


def test_the_package_has_all_modules_with_their_libraries_and_all_files_that_they_name() -> None:
    code = """
import ast, importlib, pathlib, pkgutil, sys
import function_app, tidegate  # puts src on the path
names = [module.name for module in pkgutil.walk_packages(tidegate.__path__, "tidegate.")]
modules = [importlib.import_module(name) for name in names]
root = pathlib.Path(sys.argv[1])
files = [root / "function_app.py", *(root / "src/tidegate").rglob("*.py")]
nodes = [node for file in files for node in ast.walk(ast.parse(file.read_bytes()))]
libraries = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
libraries |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
for name in sorted(libraries):  # functions import some of them at their first call
    importlib.import_module(name)
values = [value for module in modules for value in vars(module).values()]
values += [value for each in values if isinstance(each, type) for value in vars(each).values()]
paths = {value for value in values if isinstance(value, pathlib.Path)}
print(min(len(modules), len(files)), *sorted(path for path in paths), sep="\\n")
"""
    count, *paths = _python(code, str(app_folder())).splitlines()

    assert int(count) > 100
    assert {"src/assets/compute", "tidegate.yml"} <= {
        str(Path(path).relative_to(app_folder())) for path in paths
    }
    assert [path for path in paths if not Path(path).exists()] == []


def test_the_package_has_the_subscriptions_of_its_functions() -> None:
    subscriptions = YAML(typ="safe").load((app_folder() / "infra/subscriptions.yaml").read_text())

    assert {each["function"] for each in subscriptions} <= set(FUNCTIONS)


def test_taking_in_a_blob_imports_nothing_heavy(
    tidepool: Tidepool, storage_account: StorageAccount, tmp_path: Path
) -> None:
    code = """
import sys
import function_app
function_app.service().inbox.accept(sys.argv[1])
print(*sys.modules)
"""
    environ = tidepool.environment() | {
        "AzureWebJobsStorage__accountName": storage_account.name,
        "TIDEGATE_CONFIG": str(config_yaml.write(tmp_path, config_yaml.values())),
    }

    modules = set(_python(code, as_json(blob_event("202611/a.png")), **environ).split())

    assert len(take_commands(tidepool, storage_account.name)) == 1
    assert not modules & set(HEAVY)


def test_the_first_request_does_not_import_fastapi_on_the_event_loop() -> None:
    code = """
import asyncio, sys, threading, types
import azure.functions as func
import function_app

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "fastapi":
            print("on the event loop:", threading.current_thread() is threading.main_thread())

sys.meta_path.insert(0, Finder())
names = ["function_name", "function_directory", "trace_context", "retry_context"]
context = types.SimpleNamespace(
    thread_local_storage=threading.local(), invocation_id="1", **dict.fromkeys(names)
)
request = func.HttpRequest(method="GET", url="https://app/api/nothing", headers={}, body=b"")
http = function_app.http._function.get_user_function()
print(asyncio.run(http(request, context)).status_code)
"""

    assert _python(code).splitlines() == ["on the event loop: False", "404"]


@dataclass(frozen=True)
class DeployedApp:
    """The service in a functions app, and what it was given."""

    site: Site
    config_file: Path
    account: StorageAccount

    def ask(self, method: str, path: str, *, body: str = "", key: str | None = None) -> httpx.Response:
        headers = {"content-type": "application/json"} | ({"x-functions-key": key} if key else {})
        return httpx.request(method, self.site.url + path, content=body, headers=headers, trust_env=False)


@pytest.fixture(scope="module")
def app(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedApp]:
    account = tidepool.create_storage_account()
    feed = config_yaml.a_feed(account.name)
    file = config_yaml.write(tmp_path_factory.mktemp("tidegate"), config_yaml.values(digits=feed))
    settings = {"AzureWebJobsStorage__accountName": account.name, "TIDEGATE_CONFIG": str(file)}
    with tidepool.functions_app(app_folder(), settings, {"storage": account.id}) as site:
        yield DeployedApp(site, file, account)


@pytest.fixture
def misconfigured_app(app: DeployedApp) -> Iterator[DeployedApp]:
    """With a mistake in its tidegate.yml, which is mended after the test."""
    good = app.config_file.read_text()
    app.config_file.write_text(good.replace("starts", "begins"))
    app.site.restart()
    yield app
    app.config_file.write_text(good)


def test_a_batch_with_a_poisonous_event_is_taken(app: DeployedApp) -> None:
    site, topic = app.site, app.account.id
    arrived = blob_event("202611/a.png", topic=topic)
    poisonous = blob_event("202611/a.png", topic=topic) | {"data": None}

    assert deliver(site, "blob_arrived", [arrived, poisonous, arrived]) == 202
    assert deliver(site, "blob_arrived", []) == 202
    assert deliver(site, "run_completed", arrived) == 202


JOBS = "/api/feeds/digits/partitions/202611/jobs"
WANTED = '{"reason": "again"}'


@pytest.mark.parametrize(
    ("request_line", "body", "status", "said"),
    [
        ("GET /api/feeds/digits/partitions/202613", "", 422, "partition"),
        ("GET /api/feeds/digits/partitions/2026-11", "", 422, "partition"),
        ("GET /api/feeds/digits/partitions/..%2F..%2Fhealth", "", 404, ""),
        ("GET /api/feeds/nothing/partitions/202611", "", 404, "there are: digits"),
        ("GET /api/jobs/development/nothing", "", 404, "nothing"),
        ("GET /api/nothing", "", 404, ""),
        ("DELETE /api/feeds", "", 405, ""),
        ("POST /api/feeds/digits/partitions/202613/jobs", WANTED, 422, "partition"),
        ("POST /api/feeds/nothing/partitions/202611/jobs", WANTED, 404, "there are: digits"),
        (f"POST {JOBS}", "{malformed", 400, "JSON"),
        (f"POST {JOBS}", "", 422, "required"),
        (f"POST {JOBS}", "[]", 422, ""),
        (f"POST {JOBS}", '{"reason": "again", "speed": "high"}', 422, "speed"),
        (f"POST {JOBS}", '{"reason": "again", "version": "one"}', 422, "version"),
        (f"POST {JOBS}", WANTED, 409, "not complete yet"),
    ],
)
def test_a_bad_request_is_refused_in_words(
    app: DeployedApp, request_line: str, body: str, status: int, said: str
) -> None:
    answer = app.ask(*request_line.split(" "), body=body, key=app.site.key)

    assert answer.status_code == status, answer.text
    assert said in answer.text


@pytest.mark.parametrize("key", [None, "wrong", "the event grid key"])
def test_without_the_key_nobody_gets_in(app: DeployedApp, key: str | None) -> None:
    key = app.site.event_grid_key if key == "the event grid key" else key

    answers = [app.ask("GET", path, key=key) for path in ("/api/feeds", "/api/health", "/api/openapi.json")]
    answers.append(app.ask("POST", JOBS, body=WANTED, key=key))

    assert {answer.status_code for answer in answers} == {401}


def test_live_needs_no_key_no_storage_and_no_valid_configuration(
    misconfigured_app: DeployedApp, faults: Tidepool
) -> None:
    faults.fault(
        "request", "status", match={"host": f"{misconfigured_app.account.name}.*"}, value=403, times=None
    )

    answer = misconfigured_app.ask("GET", "/api/health/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "live"})
    assert misconfigured_app.ask("GET", "/api/health").status_code == 401


def test_health_says_what_is_wrong_with_the_configuration(misconfigured_app: DeployedApp) -> None:
    answer = misconfigured_app.ask("GET", "/api/health", key=misconfigured_app.site.key)

    assert answer.status_code == 503
    assert "feeds.digits.begins: there is no such key" in answer.text


def test_a_log_line_of_the_api_belongs_to_its_invocation(app: DeployedApp, tidepool: Tidepool) -> None:
    body = json.dumps({"target": "feed:digits", "reason": "to see its line", "by": "a test"})

    answer = app.ask("POST", "/api/pauses", body=body, key=app.site.key)

    assert answer.is_success, answer.text
    lines = (tidepool.data_dir / "logs/functions.log").read_text().splitlines()
    [line] = [line for line in lines if "service.manual_actions.pause paused target=feed:digits" in line]
    assert re.search(r"function_log function=http invocation=[0-9a-f-]{36} logger=tidegate", line)
