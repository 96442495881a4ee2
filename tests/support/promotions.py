"""Promotion of models in this process, on real storage and workspaces, with a clock moved by hand."""

from collections import deque
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support import config_yaml
from tests.support.azure_clients import container_client, ml_client
from tests.support.clock import Clock
from tests.support.service import start_service, take_commands
from tidegate.bootstrap import Service
from tidegate.cloud.copies import BlobCopyClient
from tidegate.domain.assets import BLOBSTORE
from tidegate.domain.lifecycle.file_copy import Folder, OriginalFile, files_fingerprint, have_fingerprint
from tidegate.domain.lifecycle.records import Model, ModelState, ModelVersion
from tidegate.domain.lifecycle.verdict_records import Approval, Verdict
from tidegate.messages.commands import AnyCommand, Notify, PromoteModel, RollbackModel
from tidegate.messages.queue_messages import encode
from tidegate.service.steps.model_candidates import files_of
from tidepool.cloud import Site, Tidepool

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

ROOT = Path(__file__).parents[2]
COMPUTES = ROOT / "src/assets/compute"
MODEL = "classifier"
MLMODEL = "flavors: {python_function: {loader_module: nothing}}\n"
POLICY: dict[str, Any] = {
    "evaluate": {"pipeline": "evaluation", "data": "holdout:4", "compute": "cpu"},
    "gate": {"metrics": {"accuracy": {"min": 0.8}}},
    "promote": {"to": "production", "approval": "required", "within": "3d"},
}


class Promotions:
    """An installation with a model policy; `version` makes a version that has passed the gate."""

    def __init__(self, cloud: Tidepool, folder: Path, **policy: Any) -> None:
        self.cloud = cloud
        self.folder = folder
        self.clock = Clock()
        self.mlmodel = MLMODEL
        self.storage = cloud.create_storage_account()
        self.account = self.storage.name
        self.development = cloud.create_workspace()
        self.production = cloud.create_workspace()
        self.configure(**policy)

    def configure(self, **policy: Any) -> None:
        """Write tidegate.yml with these keys of the policy in place of the usual ones."""
        self._policy = {**POLICY, **policy}
        self.configure_feed(config_yaml.a_feed(self.account))

    def configure_feed(self, feed: dict[str, Any]) -> None:
        """Write tidegate.yml with the feed `digits`, which is scored with the model."""
        values = config_yaml.values(
            development=self.development.name, production=self.production.name, digits=feed
        )
        values["models"] = {MODEL: self._policy}
        self.config_file = config_yaml.write(self.folder, values)

    def start(self) -> Service:
        """Return the service as it is after a start, without cached state."""
        return start_service(self.account, self.config_file, self.clock)

    def start_app(self) -> Site:
        """Return the service as a functions app that runs in Tidepool."""
        settings = {"TIDEGATE_CONFIG": str(self.config_file), "TIDEGATE_CHECK_DELAY_S": "1"}
        topics = {
            "storage": self.storage.id,
            "development": self.development.id,
            "production": self.production.id,
        }
        return self.cloud.functions_app(ROOT, settings, topics)

    @cached_property
    def service(self) -> Service:
        return self.start()

    @cached_property
    def ml(self) -> "MLClient":
        return ml_client(self.development.name)

    @cached_property
    def production_ml(self) -> "MLClient":
        return ml_client(self.production.name)

    def register(self, version: str, tags: dict[str, str] | None = None) -> None:
        """Register a model of a few files in development."""
        from azure.ai.ml.entities import Model

        model = self.folder / f"model-{version}"
        (model / "data").mkdir(parents=True)
        (model / "MLmodel").write_text(self.mlmodel)
        (model / "data/weights.bin").write_bytes(b"weights of " + version.encode())
        self.ml.models.create_or_update(
            Model(name=MODEL, version=version, path=model, type="mlflow_model", tags=tags or {})
        )

    def overwrite(self, version: str, weights: bytes) -> None:
        """Overwrite a registered version's weights, as a principal with write access to the storage can."""
        folder = self.files_folder(version)
        name = f"{folder.path.rstrip('/')}/data/weights.bin"
        container_client(folder.account, folder.container).upload_blob(name, weights, overwrite=True)

    def version(self, version: str, *, approved: bool = True, **changes: Any) -> ModelVersion:
        """Register a version and record that it passed the gate, compared with the current champion."""
        self.register(version, changes.pop("tags", None))
        record = ModelVersion(
            model=MODEL,
            version=version,
            state=ModelState.PASSED,
            registered_at=self.clock(),
            source={"run": "train-1", "data": {"images": "digits:202609-1"}},
            verdict=self.verdict(version),
        )
        if approved:
            record.approval = self.approval(record)
        record = record.model_copy(update=changes)
        self.service.ledger.save(record)
        return record

    def verdict(self, version: str) -> Verdict:
        champion = self.model.champion
        return Verdict(
            id=f"e1-{version}",
            passed=True,
            mode="enforce",
            rules=[],
            data="holdout:4",
            champion=champion.source if champion else None,
            job=f"judge-{MODEL}-{version}-e1-a1",
            files=self.files(version),
            at=self.clock(),
        )

    def files(self, version: str) -> str:
        """Return the fingerprint of the version's files."""
        return files_fingerprint(self._originals(version))

    def has_files(self, version: str, fingerprint: str) -> bool:
        """Return whether the version's files have a fingerprint of this or an earlier release."""
        return have_fingerprint(self._originals(version), fingerprint)

    def _originals(self, version: str) -> list[OriginalFile]:
        return BlobCopyClient(credential=self.service.credential).list_files(self.files_folder(version))

    def copy_a_file(self, version: str) -> None:
        """Copy the first of the version's files to production, as an interrupted promotion leaves it."""
        copies = BlobCopyClient(credential=self.service.credential)
        source, judged = self.files_folder(version), self.files(version)
        leaf = source.path.rstrip("/").rpartition("/")[2]
        target = f"tidegate/models/{MODEL}/{version}/{judged[:16]}/{leaf}"
        folder = self.service.production.datastores.folder(BLOBSTORE, target)
        copies.begin(source, folder, copies.list_files(source)[:1])

    def files_folder(self, version: str) -> Folder:
        workspace = self.service.workspaces["development"]
        model = workspace.models.find(MODEL, version)
        assert model is not None
        return files_of(workspace, model.uri)

    def approval(self, record: ModelVersion) -> Approval:
        assert record.verdict is not None
        return Approval(
            verdict=record.verdict.id, approved=True, by="ada", reason="looks right", at=self.clock()
        )

    def promote(self, version: str, *, follow: bool = True) -> list[AnyCommand]:
        """Carry out PromoteModel once or, with `follow`, until no promotion follows."""
        command = PromoteModel(cause="test", model=MODEL, version=version)
        if follow:
            return self.run(command)
        self.carry_out(command)
        self.waiting = take_commands(self.cloud, self.account)
        return []

    def rollback(self, to: str) -> list[AnyCommand]:
        return self.run(self.rollback_to(to))

    def rollback_to(self, to: str) -> RollbackModel:
        """Return the command that a person's rollback of the current champion sends."""
        champion = self.model.champion
        assert champion is not None
        return RollbackModel(
            cause="test", model=MODEL, to=to, champion=champion.version, by="ada", reason="cats everywhere"
        )

    def run(self, *given: AnyCommand) -> list[AnyCommand]:
        """Carry out commands and the promotions that follow. Return the other commands except Notify."""
        queue, rest = deque(given), list[AnyCommand]()
        while queue:
            self.carry_out(queue.popleft())
            follows = take_commands(self.cloud, self.account)
            queue.extend(command for command in follows if isinstance(command, PromoteModel))
            rest += [command for command in follows if not isinstance(command, PromoteModel | Notify)]
        return rest

    def carry_out(self, command: AnyCommand) -> None:
        self.service.worker.carry_out(encode(command))

    def cluster(self, name: str = "cpu") -> str:
        """Make a cluster in development and return the object id of its identity."""
        from azure.ai.ml import load_compute

        made = self.ml.compute.begin_create_or_update(load_compute(COMPUTES / f"{name}.yml")).result()
        return str(made.identity.principal_id)

    @property
    def model(self) -> Model:
        return self.service.ledger.model(MODEL)

    @property
    def states(self) -> dict[str, str]:
        """The state of each version."""
        records = self.service.ledger.model_versions(MODEL, open_only=False)
        return {record.version: record.state.value for record in records}

    @property
    def champions(self) -> tuple[str | None, str | None, str | None]:
        """The production versions of champion and previous champion, and the version that is rolled out."""
        model = self.model
        pair = (champion.version if champion else None for champion in (model.champion, model.previous))
        return (*pair, model.rolling)  # type: ignore[return-value]

    def record(self, version: str) -> ModelVersion:
        record = self.service.ledger.model_version(MODEL, version)
        assert record is not None
        return record

    def activity_titles(self) -> list[str]:
        """Return kind and title of each activity, oldest first."""
        return [f"{activity.kind}: {activity.title}" for activity in self.activities()]

    def activities(self) -> list[Any]:
        return self.service.ledger.activities(f"model:development:{MODEL}")

    def in_production(self) -> dict[str, dict[str, str]]:
        """Return the tags of each version that is registered in production."""
        return {model.version: model.tags for model in self.production_ml.models.list(MODEL)}
