"""function_app.py as the Functions worker and host see it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests import tidegate_yml
from tests.payloads import as_json, blob_event
from tests.service import taken

from tidepool.cloud import Site, StorageAccount, Tidepool

ROOT = Path(__file__).parents[2]
EVENTS = ["blob_arrived", "run_completed", "run_status_changed", "model_registered", "model_deployed"]
FUNCTIONS = [*EVENTS, "data_drifted", "work", "work_poison", "reconcile", "http"]
HEAVY = ("azure.ai.ml", "mlflow", "pandas", "fastapi", "apprise", "azure.data.tables", "azure.storage.blob")


def _python(code: str, *arguments: str, **environment: str) -> str:
    command = [sys.executable, *(["-c", code] if code else []), *arguments]
    environ = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(command, cwd="/", env=environ, capture_output=True, text=True, check=True).stdout


def test_it_is_indexed_in_an_empty_environment() -> None:
    said = _python("", "-m", "tidepool.functions_worker", "--index-only", str(ROOT))

    assert json.loads(said)["functions"] == FUNCTIONS


def test_taking_in_a_blob_imports_nothing_heavy(
    tidepool: Tidepool, storage_account: StorageAccount, tmp_path: Path
) -> None:
    code = """
import sys
sys.path.insert(0, sys.argv[1])
import function_app
function_app.service().inbox.accept(sys.argv[2])
print(*sys.modules)
"""
    environ = tidepool.environment() | {
        "AzureWebJobsStorage__accountName": storage_account.name,
        "TIDEGATE_CONFIG": str(tidegate_yml.write(tmp_path, tidegate_yml.values())),
    }

    modules = set(_python(code, str(ROOT), as_json(blob_event("202611/a.png")), **environ).split())

    assert len(taken(tidepool, storage_account.name)) == 1
    assert not modules & set(HEAVY)


@pytest.fixture
def config_file(tmp_path: Path, storage_account: StorageAccount) -> Path:
    return tidegate_yml.write(tmp_path, tidegate_yml.values(digits=tidegate_yml.a_feed(storage_account.name)))


@pytest.fixture
def site(tidepool: Tidepool, storage_account: StorageAccount, config_file: Path) -> Iterator[Site]:
    settings = {
        "AzureWebJobsStorage__accountName": storage_account.name,
        "TIDEGATE_CONFIG": str(config_file),
    }
    with tidepool.functions_app(ROOT, settings, {"storage": storage_account.id}) as site:
        yield site


def _deliver(site: Site, function: str, body: object) -> int:
    """As Event Grid does; the status of the answer."""
    url = f"{site.url}/runtime/webhooks/eventgrid"
    query = {"functionName": function, "code": site.event_grid_key}
    headers = {"aeg-event-type": "Notification"}
    return httpx.post(
        url, params=query, headers=headers, content=json.dumps(body), trust_env=False
    ).status_code


def test_while_the_configuration_is_bad_events_are_refused_and_then_taken(
    site: Site, config_file: Path, storage_account: StorageAccount
) -> None:
    arrived = blob_event("202611/a.png", topic=storage_account.id)
    good = config_file.read_text()

    config_file.write_text("feeds: [")
    while_bad = _deliver(site, "blob_arrived", [arrived])
    config_file.write_text(good)

    assert site.functions
    assert while_bad == 500
    assert _deliver(site, "blob_arrived", [arrived]) == 202


def test_a_batch_with_a_poisonous_event_is_taken(site: Site, storage_account: StorageAccount) -> None:
    arrived = blob_event("202611/a.png", topic=storage_account.id)
    poisonous = blob_event("202611/a.png", topic=storage_account.id) | {"data": None}

    assert _deliver(site, "blob_arrived", [arrived, poisonous, arrived]) == 202
    assert _deliver(site, "blob_arrived", []) == 202
    assert _deliver(site, "run_completed", arrived) == 202
