"""Registered things of a workspace: data, models, components. Resolves names to versions; decides nothing."""

import re
from collections.abc import Mapping
from io import StringIO
from typing import Any

from tidegate.cloud.datastores import DatastoreClient
from tidegate.cloud.ml_client import LazyMLClient, ml_errors
from tidegate.domain.assets import DataAsset
from tidegate.errors import NotFoundError, PermanentError
from tidegate.log import Log

# Where a model's files may be: a path of a datastore, or the artifacts of a job.
_IN_DATASTORE = re.compile(r"azureml://.*?datastores/(?P<datastore>[^/]+)/paths/(?P<path>.+)")
_OF_JOB = re.compile(r"azureml://jobs/(?P<job>[^/]+)/outputs/artifacts/(?:paths/)?(?P<path>.+)")


_MOST_TAGS = 50  # https://learn.microsoft.com/azure/machine-learning/resource-limits-capacity

log = Log(__name__)


class AssetClient:
    def __init__(self, client: LazyMLClient, datastores: DatastoreClient) -> None:
        self._client = client
        self._datastores = datastores

    def data_tags(self, name: str, version: str) -> dict[str, str] | None:
        """Tags of a Data asset version; None where there is none."""
        try:
            with ml_errors(f"read data asset {name}:{version}"):
                return dict(self._client.ml.data.get(name, version).tags or {})
        except NotFoundError:
            return None

    def register_data(self, asset: DataAsset) -> None:
        from azure.ai.ml.entities import Data

        data = Data(
            name=asset.name,
            version=asset.version,
            path=asset.path,
            type="uri_folder",
            description=asset.description,
            tags=dict(asset.tags),
        )
        with ml_errors(f"register data asset {asset.name}:{asset.version}"):
            self._client.ml.data.create_or_update(data)

    def newest_model(self, name: str) -> str:
        """The version registered last; the greatest may be another, as they are strings. NotFoundError."""
        with ml_errors(f"find the newest model {name}"):
            return str(self._client.ml.models.get(name, label="latest").version)

    def tag_model(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        """Add tags in their order, as many as there is room for: the ledger must not depend on them."""
        with ml_errors(f"tag model {name}:{version}"):
            model = self._client.ml.models.get(name, version)
            there = model.tags or {}
            new = [tag for tag in tags if tag not in there]
            left_out = new[max(_MOST_TAGS - len(there), 0) :]
            if left_out:
                log.warning("model_tags_left_out", model=name, version=version, tags=",".join(left_out))
            wanted = {**there, **{tag: text for tag, text in tags.items() if tag not in left_out}}
            if wanted != there:
                model.tags = wanted
                self._client.ml.models.create_or_update(model)

    def mlmodel(self, name: str, version: str) -> Mapping[str, Any]:
        """The model's MLmodel file. PermanentError where it has none."""
        from ruamel.yaml import YAML, YAMLError

        with ml_errors(f"find model {name}:{version}"):
            uri = str(self._client.ml.models.get(name, version).path)
        datastore, path = datastore_path_of(uri)
        try:
            text = self._datastores.read(datastore, f"{path.rstrip('/')}/MLmodel").decode()
            return dict(YAML(typ="safe").load(StringIO(text)))
        except (NotFoundError, YAMLError, ValueError, TypeError) as error:
            raise PermanentError(f"model {name}:{version} has no readable MLmodel file: {error}") from error

    def newest_component(self, name: str) -> str:
        """The ARM id of the version that was registered last. NotFoundError."""
        with ml_errors(f"find the newest pipeline component {name}"):
            return str(self._client.ml.components.get(name, label="latest").id)

    def newest_pipeline(self, name: str) -> tuple[str, frozenset[str]]:
        """The same, and the names of its outputs."""
        with ml_errors(f"find the newest pipeline component {name}"):
            found = self._client.ml.components.get(name, label="latest")
            return str(found.id), frozenset(found.outputs or ())


def datastore_path_of(uri: str) -> tuple[str, str]:
    """Datastore and path of a model's files. PermanentError where they are in no datastore."""
    if found := _IN_DATASTORE.fullmatch(uri):
        return found["datastore"], found["path"]
    if found := _OF_JOB.fullmatch(uri):
        return "workspaceartifactstore", f"ExperimentRun/dcid.{found['job']}/{found['path']}"
    raise PermanentError(f"a model at {uri} cannot be read: it is in no datastore")
