"""The registered assets of a workspace: data, models and components, and which version is the newest."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from tidegate.cloud.datastores import DatastoreClient
from tidegate.cloud.ml_client import LazyMLClient, ml_errors
from tidegate.domain.assets import DataAsset
from tidegate.domain.jobs.onnx_description import DESCRIPTION, as_mlmodel
from tidegate.domain.jobs.preprocess_keys import UnfitModelError
from tidegate.errors import NotFoundError, PermanentError
from tidegate.log import Log

# The two forms of a model's address: a path in a datastore, or the artifacts of a job.
_IN_DATASTORE = re.compile(r"azureml://.*?datastores/(?P<datastore>[^/]+)/paths/(?P<path>.+)")
_OF_JOB = re.compile(r"azureml://jobs/(?P<job>[^/]+)/outputs/artifacts/(?:paths/)?(?P<path>.+)")

_MAX_TAGS = 50  # https://learn.microsoft.com/azure/machine-learning/resource-limits-capacity

log = Log(__name__)


class PipelineComponent(NamedTuple):
    """A version of a pipeline component: ARM id, `name:version`, inputs, outputs, and two of its tags."""

    id: str
    reference: str
    inputs: frozenset[str]
    outputs: frozenset[str]
    model_tag: str | None
    decoder: str | None = None


class AssetClient:
    """A client for the Data assets, models and components of one workspace."""

    def __init__(self, client: LazyMLClient, datastores: DatastoreClient) -> None:
        self._client = client
        self._datastores = datastores

    def data_tags(self, name: str, version: str) -> dict[str, str] | None:
        """Return the tags of a Data asset version, or None if the version does not exist."""
        try:
            with ml_errors(f"read data asset {name}:{version}"):
                return dict(self._client.ml.data.get(name, version).tags or {})
        except NotFoundError:
            return None

    def data_place(self, name: str, version: str) -> tuple[str, str]:
        """Return the datastore and the path of a Data asset version. Raise NotFoundError if it is missing."""
        with ml_errors(f"find data asset {name}:{version}"):
            return datastore_path_of(str(self._client.ml.data.get(name, version).path))

    def tags_of_data(self, name: str) -> dict[str, dict[str, str]]:
        """Return the tags of each version of a Data asset. An asset that does not exist has no versions."""
        try:
            with ml_errors(f"list the versions of data asset {name}"):
                versions = self._client.ml.data.list(name=name)
                return {str(data.version): dict(data.tags or {}) for data in versions}
        except NotFoundError:
            return {}

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
        """Return the version that was registered last.

        Versions are strings, so the newest one is not always the greatest string. Raise NotFoundError if the
        model has none.
        """
        with ml_errors(f"find the newest model {name}"):
            return str(self._client.ml.models.get(name, label="latest").version)

    def tag_model(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        """Add tags to a model version, in the given order, up to Azure's limit of tags.

        Tags that do not fit are logged. The ledger must not depend on tags.
        """
        with ml_errors(f"tag model {name}:{version}"):
            model = self._client.ml.models.get(name, version)
            current = model.tags or {}
            new = [tag for tag in tags if tag not in current]
            left_out = new[max(_MAX_TAGS - len(current), 0) :]
            if left_out:
                log.warning("model_tags_left_out", model=name, version=version, tags=",".join(left_out))
            updated = {**current, **{tag: text for tag, text in tags.items() if tag not in left_out}}
            if updated != current:
                model.tags = updated
                self._client.ml.models.create_or_update(model)

    def mlmodel(self, name: str, version: str) -> Mapping[str, Any]:
        """Return the content of the model's MLmodel file, or that of the description of an ONNX model.

        Raise PermanentError if the model has neither of them, or one that cannot be read: it is not valid
        YAML, too large, or nested too deeply.
        """
        from tidegate.cloud.mlmodel_file import MlmodelError

        with ml_errors(f"find model {name}:{version}"):
            uri = str(self._client.ml.models.get(name, version).path)
        datastore, path = datastore_path_of(uri)
        folder = path.rstrip("/")
        try:
            if (mlmodel := self._yaml(datastore, f"{folder}/MLmodel")) is not None:
                return mlmodel
            return as_mlmodel(self._yaml(datastore, f"{folder}/{DESCRIPTION}"))
        except (PermanentError, MlmodelError, UnfitModelError) as error:
            raise PermanentError(f"model {name}:{version} cannot be used: {error}") from error

    def _yaml(self, datastore: str, path: str) -> dict[str, Any] | None:
        """Return the content of a file of a model, or None if there is no such file."""
        from tidegate.cloud.mlmodel_file import MOST_BYTES, MlmodelError, parse_mlmodel

        try:
            return parse_mlmodel(self._datastores.read(datastore, path, MOST_BYTES))
        except MlmodelError as error:
            raise MlmodelError(f"its {path.rpartition('/')[2]} cannot be read: {error}") from error
        except NotFoundError:
            return None

    def newest_pipeline(self, name: str) -> PipelineComponent:
        """Return the version of a pipeline component that was registered last.

        Raise NotFoundError if the workspace has no such component.
        """
        with ml_errors(f"find the newest pipeline component {name}"):
            component = self._client.ml.components.get(name, label="latest")
            reference = f"{component.name}:{component.version}"
            inputs, outputs = frozenset(component.inputs or ()), frozenset(component.outputs or ())
            tags = component.tags or {}
            model, decoder = tags.get("tidegate_model"), tags.get("tidegate_decoder")
            return PipelineComponent(str(component.id), reference, inputs, outputs, model, decoder)


def datastore_path_of(uri: str) -> tuple[str, str]:
    """Return the datastore and the path of a model's files.

    Raise PermanentError if the address has neither of the two known forms.
    """
    if match := _IN_DATASTORE.fullmatch(uri):
        return match["datastore"], match["path"]
    if match := _OF_JOB.fullmatch(uri):
        return "workspaceartifactstore", f"ExperimentRun/dcid.{match['job']}/{match['path']}"
    raise PermanentError(
        f"the model at {uri} cannot be read: its files are not in a datastore. "
        "Register a model whose files are in a datastore or among the artifacts of a job"
    )
