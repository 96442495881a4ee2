"""The processes of all deployments: fetches their models and code, runs them, and keeps their logs."""

import asyncio
import contextlib
import logging
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tidepool.access.principals import identity_of
from tidepool.arm.requests import name_in
from tidepool.azureml.locations import BlobLocation, locate
from tidepool.endpoints.records import EndpointRecords, endpoint_of, workspace_of
from tidepool.endpoints.rules import entry_script
from tidepool.endpoints.serving_process import ProcessSpec, ServingError, ServingProcess
from tidepool.errors import AzureError
from tidepool.forking.processes import ForkedProcesses
from tidepool.jobs.python_environments import (
    EnvironmentBuildError,
    PythonEnvironment,
    PythonEnvironments,
)
from tidepool.jobs.staging import DataMissingError, Staging
from tidepool.scheduler import Scheduler
from tidepool.store import Document

log = logging.getLogger(__name__)

_LOGS = {"InferenceServer": "inference-server.log", "StorageInitializer": "storage-initializer.log"}


class Serving:
    """The processes of deployments, by the ids of the deployments."""

    def __init__(  # noqa: PLR0913  # its dependencies, by keyword
        self,
        *,
        records: EndpointRecords,
        scheduler: Scheduler,
        staging: Staging,
        folder: Path,
        environments: PythonEnvironments,
        forks: ForkedProcesses,
        environment: Callable[[str], dict[str, str]],
    ) -> None:
        self._records = records
        self._scheduler = scheduler
        self._staging = staging
        self._folder = folder
        self._environments = environments
        self._forks = forks
        self._environment = environment
        self._live: dict[str, ServingProcess] = {}
        self._reviving: dict[str, asyncio.Task[None]] = {}

    async def deploy(self, deployment: Document) -> None:
        """Start a process for the deployment. When the new process is ready, the former process is ended.

        Raise ServingError if the process does not start.
        """
        key = deployment["id"].lower()
        process = ServingProcess(await self._prepare(deployment), self._scheduler, self._forks)
        try:
            await process.start()
        except BaseException:
            await _clear(process)
            raise
        former = self._live.pop(key, None)
        self._live[key] = process
        if former is not None:
            await _clear(former)

    async def retire(self, deployment_id: str) -> None:
        process = self._live.pop(deployment_id.lower(), None)
        if process is not None:
            await _clear(process)
        shutil.rmtree(self._logs(deployment_id), ignore_errors=True)

    async def process(self, deployment_id: str) -> ServingProcess | None:
        """Return the process of a deployment, or None if it is not ready.

        If a restart of Tidepool ended the process, wait until it is started again.
        """
        key = deployment_id.lower()
        if reviving := self._reviving.get(key):
            await asyncio.shield(reviving)
        process = self._live.get(key)
        return process if process is not None and process.ready else None

    def revive(self) -> None:
        """Start the processes of all deployments again, after a restart of Tidepool."""
        shutil.rmtree(self._folder / "live", ignore_errors=True)
        self._records.fail_interrupted()
        for _, deployments in self._records.all():
            for deployment in deployments.values():
                if deployment["properties"]["provisioningState"] == "Succeeded":
                    key = deployment["id"].lower()
                    self._reviving[key] = asyncio.create_task(self._revived(key, deployment))

    def starting(self) -> list[str]:
        """Return a line for each deployment whose process is starting."""
        live = [process.spec.label for process in self._live.values() if process.starting]
        return [f"starting {name}" for name in (*live, *self._reviving)]

    async def stop(self) -> None:
        for task in list(self._reviving.values()):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await asyncio.gather(*(_clear(process) for process in self._live.values()))
        self._live.clear()

    def log(self, deployment_id: str, container: str, tail: int | None) -> str:
        """Return the last lines in the log of a container of the deployment."""
        if container not in _LOGS:
            raise AzureError(400, "BadRequest", f"containerType must be one of {', '.join(_LOGS)}.")
        file = self._logs(deployment_id) / _LOGS[container]
        lines = file.read_text(errors="replace").splitlines(keepends=True) if file.exists() else []
        return "".join(lines[-tail:] if tail else lines)

    async def _revived(self, key: str, deployment: Document) -> None:
        try:
            await self.deploy(deployment)
        except ServingError:
            log.exception("deployment_not_revived id=%s", deployment["id"])
        finally:
            self._reviving.pop(key, None)

    async def _prepare(self, deployment: Document) -> ProcessSpec:
        """Fetch the model and the code to a folder for this process, and return how to start the process."""
        folder = self._folder / "live" / uuid.uuid4().hex[:12]
        try:
            return await self._fetch(deployment, folder)
        except (DataMissingError, AzureError) as error:
            self._note(deployment["id"], f"failed: {error}")
            shutil.rmtree(folder, ignore_errors=True)
            raise ServingError(f"The model or code could not be fetched to the container: {error}") from error
        except EnvironmentBuildError as error:
            self._note(deployment["id"], error.log or str(error))
            shutil.rmtree(folder, ignore_errors=True)
            raise ServingError(str(error), "ImageBuildFailure") from error

    async def _fetch(self, deployment: Document, folder: Path) -> ProcessSpec:
        script = entry_script(deployment["properties"], self._records.model(deployment))
        code = folder / "code"
        code.mkdir(parents=True)
        staging = self._staging_of(deployment)
        models, model = await self._fetch_model(staging, deployment, folder / "azureml-models")
        if script is not None:
            await self._fetch_code(staging, deployment, code)
        environment = await self._python_of(deployment, model)
        self._note(deployment["id"], f"done\n{environment.log}".rstrip())
        source = ["--mlflow", str(model)] if script is None else ["--script", str(code / script)]
        return ProcessSpec(
            label=deployment["id"].partition("/onlineEndpoints/")[2],
            arguments=source,
            # MLflow would read variables of the deployment while it is imported.
            forked=script is None
            and not environment.built
            and not deployment["properties"].get("environmentVariables"),
            folder=code,
            environ=self._variables(deployment, models, code, environment.python),
            environment=environment,
            log_file=self._logs(deployment["id"]) / _LOGS["InferenceServer"],
        )

    async def _python_of(self, deployment: Document, model: Path) -> PythonEnvironment:
        """Return the Python of the deployment's environment, or else of the conda file beside its model."""
        identifier = deployment["properties"].get("environmentId")
        conda = model / "conda.yaml"
        if not identifier and conda.is_file():
            name = deployment["properties"]["model"].rpartition("/models/")[2].replace("/versions/", ":")
            label = f"in {conda.name} of the model {name}"
            return await self._environments.of_conda_file(label, conda.read_text(encoding="utf-8"))
        return await self._environments.get(workspace_of(deployment["id"]), identifier)

    def _staging_of(self, deployment: Document) -> Staging:
        """Return transfers with the identity of the endpoint, which Azure ML uses for models and code."""
        principal = identity_of(self._records.endpoint(endpoint_of(deployment["id"])))
        return self._staging if principal is None else self._staging.acting_as(principal)

    async def _fetch_model(self, staging: Staging, deployment: Document, folder: Path) -> tuple[Path, Path]:
        """Fetch the model, and return (AZUREML_MODEL_DIR, the file or folder in it that is the model)."""
        model = self._records.model(deployment)
        if model is None:
            return folder, folder
        location = self._locate(deployment, model["properties"]["modelUri"], model["id"])
        self._note(deployment["id"], f"fetching the model from {location.url}")
        folder = folder / model["id"].split("/")[-3] / model["name"]
        path = location.path.strip("/")
        name = path.rpartition("/")[2]
        is_file = [item.name for item in await staging.listing(location)] == [path]
        await staging.fetch(location, folder if is_file else folder / name, writable=False)
        return folder, folder / name

    async def _fetch_code(self, staging: Staging, deployment: Document, folder: Path) -> None:
        location = self._locate(deployment, deployment["properties"]["codeConfiguration"]["codeId"])
        self._note(deployment["id"], f"fetching the code from {location.url}")
        await staging.fetch(location, folder, writable=True)

    def _locate(self, deployment: Document, text: str, owner: str = "") -> BlobLocation:
        """Return a location. It is read with the identity of the endpoint unless `owner` is in a registry."""
        location = locate(self._records.store, workspace_of(deployment["id"]), text)
        return replace(location, keyed="/registries/" in owner.lower(), credential=None)

    def _variables(self, deployment: Document, models: Path, code: Path, python: Path) -> dict[str, str]:
        """Return all environment variables of the process.

        They are the variables of the current process, of Tidepool, of the container and of the deployment. If
        a name occurs twice, the last value is used.
        """
        identity = self._environment(endpoint_of(deployment["id"]))
        return {
            **os.environ,
            **identity,
            "MSI_ENDPOINT": identity["IDENTITY_ENDPOINT"],
            "MSI_SECRET": identity["IDENTITY_HEADER"],
            "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
            "MALLOC_ARENA_MAX": "2",  # threads share their memory, which saves some of it
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "AZUREML_MODEL_DIR": str(models),
            "AZUREML_APP_ROOT": str(code),
            **(deployment["properties"].get("environmentVariables") or {}),
        }

    def _note(self, deployment_id: str, text: str) -> None:
        """Add a line to the log of the storage initializer."""
        file = self._logs(deployment_id) / _LOGS["StorageInitializer"]
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as output:
            output.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}\n")

    def _logs(self, deployment_id: str) -> Path:
        workspace = name_in(deployment_id, "workspaces")
        endpoint = endpoint_of(deployment_id).rpartition("/")[2]
        return self._folder / "logs" / workspace / endpoint / deployment_id.rpartition("/")[2]


async def _clear(process: ServingProcess) -> None:
    await process.stop()
    await asyncio.to_thread(shutil.rmtree, process.spec.folder.parent, ignore_errors=True)
