"""All forms of ids and URIs of Azure ML, and the locations that they resolve to."""

import pytest

from tidepool.azureml.ids import Reference, read_reference, registry_id
from tidepool.azureml.locations import BlobLocation, locate
from tidepool.azureml.references import References
from tidepool.azureml.workspaces import write_workspace
from tidepool.default_resources import storage_account_id, workspace_id
from tidepool.errors import AzureError
from tidepool.store import Store

WS = workspace_id("mlw")
OTHER = workspace_id("other")
R = registry_id("r")
LONG = "azureml://subscriptions/s/resourcegroups/g/workspaces/other"


@pytest.fixture
def store() -> Store:
    store = Store(":memory:")
    store.put(storage_account_id("data"), {})
    write_workspace(store, workspace_id("mlw"), {"storageAccount": storage_account_id("account")})
    store.put(f"{WS}/datastores/feeds", {"properties": {"accountName": "data", "containerName": "images"}})
    feed = {"properties": {"dataUri": "azureml://datastores/feeds/paths/202611/", "isArchived": False}}
    store.put(f"{WS}/data/feed/versions/1", feed)
    store.put(
        f"/history{WS}/runs/job", {"outputs": {"table": {"uri": "azureml://datastores/feeds/paths/out/"}}}
    )
    return store


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{WS}/data/feed/versions/1", Reference(WS, "data", "feed", version="1")),
        (f"azureml:{WS}/models/m/versions/10", Reference(WS, "models", "m", version="10")),
        (f"{WS}/environments/e/labels/latest", Reference(WS, "environments", "e", label="latest")),
        (f"{WS}/computes/gpu", Reference(WS, "computes", "gpu")),
        (f"{R}/models/m/versions/1", Reference(R, "models", "m", version="1")),
        ("azureml://registries/r/models/m/versions/1", Reference(R, "models", "m", version="1")),
        ("azureml://registries/r/models/m/labels/latest", Reference(R, "models", "m", label="latest")),
        (f"{LONG}/data/d/versions/2", Reference(OTHER, "data", "d", version="2")),
        (f"{LONG}/datastores/feeds/paths/a/b.png", Reference(OTHER, "datastores", "feeds", path="a/b.png")),
        ("azureml://datastores/feeds/paths/a/", Reference(WS, "datastores", "feeds", path="a/")),
        ("azureml://jobs/job/outputs/table/paths/x", Reference(WS, "jobs", "job", output="table", path="x")),
        ("runs:/job/model", Reference(WS, "artifacts", "", path="ExperimentRun/dcid.job/model")),
        (
            "azureml://artifacts/ExperimentRun/dcid.j/m",
            Reference(WS, "artifacts", "", path="ExperimentRun/dcid.j/m"),
        ),
        ("${{parent.inputs.partition}}", None),
        ("python score.py", None),
        ("https://data.blob.core.windows.net/images/a", None),
    ],
)
def test_ids_are_read_in_every_form(store: Store, text: str, expected: Reference | None) -> None:
    assert read_reference(store, WS, text) == expected


def test_an_id_by_location_names_its_workspace_by_guid(store: Store) -> None:
    guid = (store.get(WS) or {})["properties"]["workspaceId"]

    reference = read_reference(
        store, OTHER, f"azureml://locations/japaneast/workspaces/{guid}/data/feed/versions/1"
    )

    assert reference == Reference(WS, "data", "feed", version="1")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("azureml://datastores/feeds/paths/202611/", "202611/"),
        (f"{WS}/data/feed/versions/1", "202611/"),
        ("azureml://jobs/job/outputs/table", "out/"),
        ("azureml://jobs/job/outputs/table/paths/rows.csv", "out/rows.csv"),
        ("https://data.blob.core.windows.net/images/a%20b.png", "a b.png"),
        ("wasbs://images@data.blob.core.windows.net/a.png", "a.png"),
        ("abfss://images@data.dfs.core.windows.net/a.png", "a.png"),
    ],
)
def test_uris_and_asset_ids_are_resolved_to_blobs(store: Store, text: str, path: str) -> None:
    assert locate(store, WS, text) == BlobLocation("data", "images", path)


def test_artifacts_are_in_the_default_account(store: Store) -> None:
    assert locate(store, WS, "runs:/job/model") == BlobLocation(
        "account", "azureml", "ExperimentRun/dcid.job/model"
    )


@pytest.mark.parametrize(
    "text",
    [
        "azureml://datastores/nowhere/paths/a",
        f"{WS}/data/feed/versions/2",
        "https://example.com/a",
        "https://169.254.169.254/metadata",
        "a.png",
    ],
)
def test_a_location_that_does_not_exist_is_refused(store: Store, text: str) -> None:
    with pytest.raises(AzureError) as refused:
        locate(store, WS, text)

    assert refused.value.status == 400


def test_free_text_is_no_reference(store: Store) -> None:
    references = References(store)
    missing = "azureml://datastores/nowhere/paths/a"

    references.check(WS, {"description": missing, "tags": {"from": missing}, "command": missing})

    with pytest.raises(AzureError, match="datastore 'nowhere'"):
        references.check(WS, {"inputs": [{"uri": missing}]})
