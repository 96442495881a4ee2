"""The ONNX form of a packaged model. It is written only if its outputs on the holdout are the model's."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tidegate.bootstrap import Service
from tidegate.cloud.copies import BlobCopyClient
from tidegate.cloud.mlmodel_file import parse_mlmodel
from tidegate.config.model_policy import NEWEST
from tidegate.errors import NotFoundError, PermanentError
from tidegate.installation.asset_files import installed_assets

_LARGEST_HOLDOUT = 2**30


def write_onnx(service: Service, name: str, model: Path, target: Path) -> str:
    """Write the ONNX form of a model to a file if it can be converted, and say in a sentence what was done.

    Only models of scikit-learn are converted.
    """
    flavors = parse_mlmodel((model / "MLmodel").read_bytes()).get("flavors") or {}
    if "onnx" in flavors:
        return f"The model is ONNX: {flavors['onnx'].get('data', 'model.onnx')} among its files."
    if "sklearn" not in flavors:
        return (
            f"There is no ONNX form: its flavors are {', '.join(sorted(flavors))}, and sklearn is converted."
        )
    try:
        with tempfile.TemporaryDirectory(prefix="tidegate-holdout-") as holdout:
            _download_holdout(service, name, Path(holdout))
            compared = _convert(model, Path(holdout), target)
    except (NotFoundError, PermanentError) as error:
        return f"There is no ONNX form: {error}."
    return f"{target.name} is its ONNX form: {compared}."


def _convert(model: Path, holdout: Path, target: Path) -> str:
    """Convert the model in a process of its own, because that runs the model's code."""
    script = installed_assets().root / "model_package/onnx_conversion.py"
    command = [sys.executable, *map(str, (script, model, holdout, target))]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    said = (run.stdout.strip() or run.stderr.strip()).splitlines() or ["the conversion was killed"]
    if run.returncode:
        raise PermanentError(said[-1])
    return said[-1]


def _download_holdout(service: Service, name: str, to: Path) -> None:
    """Download the data that versions of the model are judged with."""
    policy, development = service.policy(name), service.development
    if policy is None or policy.evaluate.data == NEWEST:
        raise PermanentError(f"tidegate.yml names no holdout for {name}, on which both could be compared")
    datastore, path = development.assets.data_place(*policy.evaluate.data.split(":", 1))
    files = BlobCopyClient(credential=service.credential).list_files(
        development.datastores.folder(datastore, path)
    )
    if sum(file.size for file in files) > _LARGEST_HOLDOUT:
        raise PermanentError(f"the holdout {policy.evaluate.data} has more than 1 GiB")
    for file in files:
        target = to / file.name
        if not target.resolve().is_relative_to(to.resolve()):
            raise PermanentError(f"the file {file.name!r} of the holdout is outside of its folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        source = f"{path.rstrip('/')}/{file.name}"
        with target.open("wb") as output:
            for chunk in development.datastores.chunks(datastore, source, _LARGEST_HOLDOUT):
                output.write(chunk)
