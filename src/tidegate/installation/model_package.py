"""A folder with which a registered model is served elsewhere: its files, checked, and MLflow's Dockerfile."""

import base64
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from tidegate.bootstrap import Service
from tidegate.cloud.assets import datastore_path_of
from tidegate.cloud.copies import BlobCopyClient
from tidegate.config.types import WorkspaceRole
from tidegate.domain.lifecycle.file_copy import CopiedFile, OriginalFile, compare_files, have_fingerprint
from tidegate.domain.lifecycle.lineage import RegisteredModel
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.errors import NotFoundError, PermanentError
from tidegate.installation.onnx_form import write_onnx
from tidegate.service.steps.model_candidates import files_of

_LARGEST_FILE = 64 * 2**30
_MODEL = "model"


@dataclass(frozen=True)
class PackagedFile:
    """A file of the model in the package."""

    name: str
    size: int
    md5: str
    sha256: str


@dataclass(frozen=True)
class ModelPackage:
    """The package of a model version, and what its files were compared with."""

    reference: str
    workspace: str
    folder: Path
    verified: str
    files: tuple[PackagedFile, ...]
    onnx: str


def write_model_package(
    service: Service, name: str, version: str, folder: Path, role: WorkspaceRole
) -> ModelPackage:
    """Write the package of a model version to a folder that does not exist yet, or is empty.

    Raise PermanentError if the version does not exist or is no MLflow model, if its files are not those that
    were judged, or if MLflow is not installed. Then the folder is left as it was.
    """
    if find_spec("mlflow") is None:
        raise PermanentError("MLflow is not installed, and makes the Dockerfile: pip install 'mlflow>=3.15'")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PermanentError(f"{folder} exists: name a folder that does not exist yet")
    reference, workspace = model_reference(name, version), service.workspaces[role]
    model = workspace.models.find(name, version)
    if model is None:
        raise PermanentError(f"{role} has no model {reference}")
    files = BlobCopyClient(credential=service.credential).list_files(files_of(workspace, model.uri))
    if "MLmodel" not in {file.name for file in files}:
        raise PermanentError(f"{reference} in {role} is no MLflow model: it has no MLmodel file")
    record = service.ledger.model_version(name, model.tags.get("tidegate_source_version", version))
    verified = _verify(service, record, files, role)
    with tempfile.TemporaryDirectory(prefix="tidegate-model-") as temporary:
        downloaded = Path(temporary) / _MODEL
        packaged = tuple(_download(workspace, model.uri, file, downloaded) for file in files)
        folder.mkdir(parents=True, exist_ok=True)
        _write_dockerfile(downloaded, folder)
        onnx = write_onnx(service, name, downloaded, folder / "model.onnx")
    package = ModelPackage(reference, role, folder, verified, packaged, onnx)
    (folder / "lineage.json").write_text(json.dumps(_lineage(package, model, record), indent=2) + "\n")
    (folder / "README.md").write_text(_readme(package, record))
    return package


def _verify(
    service: Service, record: ModelVersion | None, files: Sequence[OriginalFile], role: WorkspaceRole
) -> str:
    """Return what the files were compared with. Raise PermanentError if they are not the judged ones."""
    judged = record.verdict.files if record and record.verdict else None
    if record is None or judged is None:
        return "no verdict in the ledger has a fingerprint of the files"
    if role == "development":
        if not have_fingerprint(files, judged):
            raise PermanentError(
                f"The files of {model_reference(record.model, record.version)} in development are not those "
                "that were judged: have the version judged again"
            )
        return "the fingerprint of the judged files"
    originals = _judged_files(service, record, judged)
    if originals is None:
        return "no judged file: those in development have changed or are gone since the promotion"
    progress = compare_files(originals, [CopiedFile(each.name, each.size, each.md5, None) for each in files])
    if not progress.complete:
        names = ", ".join([*(file.name for file in progress.waiting), *progress.foreign][:5])
        raise PermanentError(f"The files in production are not copies of those that were judged: {names}")
    return "the judged files in development, by name, size and MD5"


def _judged_files(service: Service, record: ModelVersion, judged: str) -> list[OriginalFile] | None:
    """Return the version's files in development if they are those that were judged, and else None."""
    source = service.workspaces["development"].models.find(record.model, record.version)
    if source is None:
        return None
    try:
        folder = files_of(service.workspaces["development"], source.uri)
        originals = BlobCopyClient(credential=service.credential).list_files(folder)
    except NotFoundError:
        return None
    return originals if have_fingerprint(originals, judged) else None


def _download(workspace: Any, uri: str, file: OriginalFile, to: Path) -> PackagedFile:
    """Download a file, and compare it with the size and the MD5 that the storage has."""
    place = PurePosixPath(file.name)
    if place.is_absolute() or ".." in place.parts:
        raise PermanentError(f"The model's file {file.name!r} is outside of its folder")
    datastore, path = datastore_path_of(uri)
    target = to / place
    target.parent.mkdir(parents=True, exist_ok=True)
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    with target.open("wb") as output:
        for chunk in workspace.datastores.chunks(datastore, f"{path.rstrip('/')}/{file.name}", _LARGEST_FILE):
            output.write(chunk)
            md5.update(chunk)
            sha256.update(chunk)
            size += len(chunk)
    if size != file.size or file.md5 not in (None, base64.b64encode(md5.digest()).decode()):
        raise PermanentError(f"{file.name} has another size or MD5 than the storage says")
    return PackagedFile(file.name, size, md5.hexdigest(), sha256.hexdigest())


def _write_dockerfile(model: Path, folder: Path) -> None:
    """Let MLflow write its build context: a Dockerfile, and the model in model_dir."""
    command = [sys.executable, "-m", "mlflow", "models", "generate-dockerfile"]
    run = subprocess.run(
        [*command, "--model-uri", str(model), "--output-directory", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode or not (folder / "Dockerfile").is_file():
        lines = (run.stderr or run.stdout).strip().splitlines()
        raise PermanentError(f"MLflow cannot make a Dockerfile of the model: {' '.join(lines[-3:])}")


def _lineage(package: ModelPackage, model: RegisteredModel, record: ModelVersion | None) -> dict[str, Any]:
    verdict, approval = (record.verdict, record.approval) if record else (None, None)
    return {
        "model": package.reference,
        "workspace": package.workspace,
        "uri": model.uri,
        "tags": dict(model.tags),
        "verdict": verdict.model_dump(mode="json", exclude={"rules"}) if verdict else None,
        "approval": approval.model_dump(mode="json") if approval else None,
        "files_compared_with": package.verified,
        "onnx": package.onnx,
        "files": [vars(file) for file in package.files],
    }


def _readme(package: ModelPackage, record: ModelVersion | None) -> str:
    return "\n".join(_readme_lines(package, record)) + "\n"


def _readme_lines(package: ModelPackage, record: ModelVersion | None) -> Iterator[str]:
    image = package.reference.replace(":", "-").lower()
    yield f"# {package.reference}"
    yield f"Taken from the {package.workspace} workspace. Its files were compared with: {package.verified}."
    if record and record.verdict:
        word = "passed" if record.verdict.passed else "did not pass"
        yield f"Verdict {record.verdict.id} on {record.verdict.data}: it {word}."
    yield "lineage.json has the model's tags, its verdict, and the size, MD5 and SHA-256 of each file."
    yield ""
    yield "## Serve it with MLflow"
    yield "```"
    yield f"mlflow models serve -m model_dir/{_MODEL} --env-manager virtualenv --port 5001"
    yield "curl -d '{\"inputs\": ...}' -H 'Content-Type: application/json' http://127.0.0.1:5001/invocations"
    yield "```"
    yield "The inputs are those of the signature in `MLmodel`."
    yield ""
    yield "## ONNX"
    yield package.onnx
    yield ""
    yield "## Build an image"
    yield "```"
    yield f"docker build -t {image} ."
    yield f"docker run -p 5001:8080 {image}"
    yield "```"
