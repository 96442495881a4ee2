"""The folder that a run works in: code and inputs are brought there, outputs and artifacts taken."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tidepool.azureml.locations import BlobLocation, locate
from tidepool.azureml.run_history import artifact_path
from tidepool.azureml.workspaces import artifact_store
from tidepool.errors import AzureError
from tidepool.jobs.expressions import fill_known
from tidepool.jobs.graph import Output, Step, Value
from tidepool.jobs.staging import DataMissingError, Staging
from tidepool.store import Store

DEFAULT_DATASTORE = "workspaceblobstore"
_COPIED = "Download"  # the only input mode whose files the job may change
_BY_REFERENCE = "Direct"  # the job gets the URI and reads by itself
_ARTIFACT_FOLDERS = ("outputs", "logs")  # of the working directory: kept with the run, as on Azure ML


class StagingError(Exception):
    """The data of the job could not be brought to the compute."""


@dataclass(frozen=True)
class Machine:
    """What jobs run on: this machine, its Python, and the variables that lead to Tidepool.

    The variables are those of what acts as the managed identity of a resource, by its id.
    """

    folder: Path
    staging: Staging
    python: Path
    environment: Callable[[str], dict[str, str]]
    warm_mlflow: Callable[[], None]


@dataclass(frozen=True)
class StepRun:
    """A step with all its inputs known, as a run; `datastore` takes the outputs that name no other place."""

    workspace_id: str
    run_id: str
    step: Step
    inputs: dict[str, Value]
    datastore: str | None = None

    def places(self) -> Iterator[tuple[str, Output, str]]:
        """(name, output, URI) of each output."""
        datastore = self.datastore or DEFAULT_DATASTORE
        default = f"azureml://datastores/{datastore}/paths/azureml/${{{{name}}}}/${{{{output_name}}}}"
        for name, output in self.step.outputs.items():
            texts = {"name": self.run_id, "output_name": name, "default_datastore": datastore}
            uri = fill_known(output.uri or default, texts)
            yield name, output, uri if output.type == "uri_file" else f"{uri.rstrip('/')}/"


@dataclass
class Workplace:
    """The folder of one run. `texts` is what the expressions of its command stand for, once prepared."""

    run: StepRun
    machine: Machine
    store: Store
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.machine.folder / self.run.run_id

    @property
    def code(self) -> Path:
        """The working directory."""
        return self.folder / "wd"

    async def prepare(self) -> None:
        """Code, inputs, and empty places for the outputs. StagingError for data that is not there."""
        self.code.mkdir(parents=True)
        try:
            if code := self._code():
                await self.machine.staging.fetch(self._locate(code), self.code, writable=True)
            for name, value in self.run.inputs.items():
                self.texts[f"inputs.{name}"] = await self._input(name, value)
        except (DataMissingError, AzureError) as error:
            raise StagingError(str(error)) from error
        for name, output, uri in self.run.places():
            place = self._place(name, output, uri)
            (place.parent if output.type == "uri_file" else place).mkdir(parents=True)
            self.texts[f"outputs.{name}"] = str(place)

    def mentions(self, word: bytes) -> bool:
        """Whether the job's own code or command has that word."""
        scripts = (file.read_bytes() for file in self.code.rglob("*.py"))
        return word in str(self.run.step.spec.get("command")).encode() or any(
            word in text for text in scripts
        )

    async def send_outputs(self) -> dict[str, Value]:
        """Upload what the process wrote; where each output is now."""
        sent: dict[str, Value] = {}
        for name, output, uri in self.run.places():
            place = self._place(name, output, uri)
            if place.exists():
                await self.machine.staging.send(place, self._locate(uri))
            sent[name] = Value(uri, output.type)
        return sent

    async def keep_artifacts(self) -> None:
        """Upload `./outputs` and `./logs` to the run's artifacts."""
        account, container = artifact_store(self.store, self.run.workspace_id)
        for name in _ARTIFACT_FOLDERS:
            target = BlobLocation(account, container, artifact_path(self.run.run_id, name))
            if (folder := self.code / name).is_dir():
                await self.machine.staging.send(folder, target)

    async def remove(self) -> None:
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def _input(self, name: str, value: Value) -> str:
        if not value.is_data or value.mode == _BY_REFERENCE:
            return value.text
        target = self.folder / "inputs" / name
        return str(
            await self.machine.staging.fetch(self._locate(value.text), target, writable=value.mode == _COPIED)
        )

    def _place(self, name: str, output: Output, uri: str) -> Path:
        """Where the process writes an output: a folder, or a file with the name that its blob gets."""
        place = self.folder / "outputs" / name
        return place / uri.rpartition("/")[2] if output.type == "uri_file" else place

    def _code(self) -> str | None:
        spec = self.run.step.spec
        code: str | None = (spec.get("task") or {}).get("code") or spec.get("code")
        return code

    def _locate(self, uri: str) -> BlobLocation:
        return locate(self.store, self.run.workspace_id, uri)
