"""The folder that a step works in.

Code and inputs are fetched to it, and outputs and artifacts are uploaded.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tidepool.azureml.locations import ARTIFACTS, BlobLocation, locate
from tidepool.azureml.run_history import artifact_path
from tidepool.azureml.workspaces import artifact_store
from tidepool.errors import AzureError
from tidepool.jobs.expressions import fill_known
from tidepool.jobs.graph import JobOutput, Step, Value, is_step_input
from tidepool.jobs.staging import DataMissingError, Staging
from tidepool.store import Store

DEFAULT_DATASTORE = "workspaceblobstore"
# Modes of inputs, in lower case without underscores: nodes, components and jobs spell them differently.
_WRITABLE = ("download", "evaldownload")  # in these modes, and only in these, the job may change the files
_EVALUATED = ("evalmount", "evaldownload")  # the job gets the files that the MLTable names
_DIRECT = "direct"  # the job gets the URI and reads the data itself
# Folders of the working directory that are kept with the run, as on Azure ML.
_ARTIFACT_FOLDERS = ("outputs", "logs")


class StagingError(Exception):
    """The data of the job could not be fetched to the compute."""


@dataclass(frozen=True)
class Machine:
    """The machine that jobs run on: its Python, and the variables that direct programs to Tidepool.

    `environment` returns the variables for a process with the managed identity of the resource with an id.
    """

    folder: Path
    staging: Staging
    python: Path
    environment: Callable[[str], dict[str, str]]
    warm_mlflow: Callable[[], None]


@dataclass(frozen=True)
class StepRun:
    """A run of a step, with all inputs bound. Outputs without a URI go to the `datastore`.

    A trial of a sweep has the values that it tries in `searched`.
    """

    workspace_id: str
    run_id: str
    step: Step
    inputs: dict[str, Value]
    datastore: str | None = None
    searched: Mapping[str, str] = field(default_factory=dict)

    @property
    def workspace(self) -> str:
        """Return the name of the workspace. Runs of two workspaces may have the same id."""
        return self.workspace_id.rpartition("/")[2]

    def output_uris(self) -> Iterator[tuple[str, JobOutput, str]]:
        """Yield (name, output, URI) for each output. The output `artifacts` has the artifacts of the run."""
        datastore = self.datastore or DEFAULT_DATASTORE
        default = f"azureml://datastores/{datastore}/paths/azureml/${{{{name}}}}/${{{{output_name}}}}"
        artifacts = f"azureml://datastores/workspaceartifactstore/paths/{artifact_path(self.run_id)}"
        for name, output in self.step.outputs.items():
            texts = {"name": self.run_id, "output_name": name, "default_datastore": datastore}
            uri = fill_known(output.uri or (artifacts if name in ARTIFACTS else default), texts)
            yield name, output, uri if output.type == "uri_file" else f"{uri.rstrip('/')}/"


@dataclass
class StepFolder:
    """The folder of one run. After `prepare`, `texts` has the values for the expressions in the command."""

    run: StepRun
    machine: Machine
    store: Store
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.machine.folder / "runs" / self.run.workspace / self.run.run_id

    @property
    def code(self) -> Path:
        """Return the working directory of the process."""
        return self.path / "wd"

    async def prepare(self) -> None:
        """Fetch code and inputs, and make empty folders for the outputs and artifacts.

        Raise StagingError if some of the data does not exist.
        """
        self.code.mkdir(parents=True)
        try:
            if code := self._code_id():
                await self.machine.staging.fetch(self._locate(code), self.code, writable=True)
            for name, value in self.run.inputs.items():
                self.texts[f"inputs.{name}"] = await self._input(name, value)
        except (DataMissingError, AzureError) as error:
            raise StagingError(str(error)) from error
        for name in _ARTIFACT_FOLDERS:
            (self.code / name).mkdir(exist_ok=True)
        self.texts |= {f"search_space.{name}": text for name, text in self.run.searched.items()}
        for name, output, uri in self.run.output_uris():
            path = self._output_path(name, output, uri)
            (path.parent if output.type == "uri_file" else path).mkdir(parents=True)
            self.texts[f"outputs.{name}"] = str(path)

    def mentions(self, word: bytes) -> bool:
        """Return whether the job's own code or command contains the word."""
        scripts = (file.read_bytes() for file in self.code.rglob("*.py"))
        return word in str(self.run.step.spec.get("command")).encode() or any(
            word in script for script in scripts
        )

    async def send_outputs(self) -> dict[str, Value]:
        """Upload what the process wrote, and return the URI of each output."""
        outputs: dict[str, Value] = {}
        for name, output, uri in self.run.output_uris():
            path = self._output_path(name, output, uri)
            if path.exists():
                await self.machine.staging.send(path, self._locate(uri))
            outputs[name] = Value(uri, output.type)
        return outputs

    async def keep_artifacts(self) -> None:
        """Upload `./outputs` and `./logs` to the artifacts of the run."""
        account, container = artifact_store(self.store, self.run.workspace_id)
        for name in _ARTIFACT_FOLDERS:
            # Azure ML gives jobs a SAS for their artifacts.
            target = BlobLocation(account, container, artifact_path(self.run.run_id, name), keyed=True)
            if (folder := self.code / name).is_dir():
                await self.machine.staging.send(folder, target)

    async def remove(self) -> None:
        await asyncio.to_thread(shutil.rmtree, self.path, ignore_errors=True)

    async def _input(self, name: str, value: Value) -> str:
        """Return what the command gets for an input: a literal, a URI, or the path of the fetched data."""
        mode = (value.mode or "").replace("_", "").lower()
        divided = is_step_input(self.run.step, name)  # by Tidepool, which therefore reads it in each mode
        if not value.is_data or (mode == _DIRECT and not divided):
            return value.text
        if mode in _EVALUATED and value.type != "mltable":
            raise StagingError(f"{name} is of type {value.type}, and the mode {value.mode} is for an mltable")
        source, target = self._locate(value.text), self.path / "inputs" / name
        path = await self.machine.staging.fetch(source, target, writable=mode in _WRITABLE)
        if value.type == "mltable":
            await self._fetch_paths(path)
            if mode in _EVALUATED and not divided:
                return str(await self._evaluated(path))
        return str(path)

    async def _fetch_paths(self, table: Path) -> None:
        """Fetch what an MLTable names by its URI, and let the table name the fetched files."""
        file = table / "MLTable"
        content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
        if not isinstance(content, dict):
            raise StagingError(f"{table.name} is an mltable without a file MLTable that describes it")
        entries = [entry for entry in content.get("paths") or [] if isinstance(entry, dict)]
        remote = [
            (entry, kind, str(uri))
            for entry in entries
            for kind, uri in entry.items()
            if "://" in str(uri) and not str(uri).startswith("file:")
        ]
        for number, (entry, kind, uri) in enumerate(remote):
            root, star, pattern = uri.partition("*") if kind == "pattern" else (uri, "", "")
            if star:
                root, _, name = root.rpartition("/")
                pattern = f"/{name}*{pattern}"
            target = table.with_name(f"{table.name}-paths") / str(number)
            entry[kind] = (
                f"{await self.machine.staging.fetch(self._locate(root), target, writable=False)}{pattern}"
            )
        if remote:
            file.unlink()  # it is a link to the cache
            file.write_text(yaml.safe_dump(content), encoding="utf-8")

    async def _evaluated(self, table: Path) -> Path:
        """Return a folder with the files that an MLTable names."""
        target = table.with_name(f"{table.name}-files")
        process = await asyncio.create_subprocess_exec(
            *(str(self.machine.python), "-m", "tidepool.jobs.tables", str(table), str(target)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise StagingError(f"{table.name}: {output.decode(errors='replace').strip()}")
        return target

    def _output_path(self, name: str, output: JobOutput, uri: str) -> Path:
        """Return where the process writes an output: a folder, or a file with the name of its blob."""
        folder = self.path / "outputs" / name
        return folder / uri.rpartition("/")[2] if output.type == "uri_file" else folder

    def _code_id(self) -> str | None:
        spec = self.run.step.spec
        code: str | None = (spec.get("task") or {}).get("code") or spec.get("code")
        return code

    def _locate(self, uri: str) -> BlobLocation:
        return locate(self.store, self.run.workspace_id, uri)
