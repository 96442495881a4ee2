"""The example's labelled sets as Data assets: the training data, and the holdout that models are judged on.

`python -m examples.digits.labelled_sets` registers both sets. An existing version is kept.
"""

import io
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from examples.digits.images import (
    HOLDOUT_DATA,
    TRAINING_DATA,
    Pixels,
    as_png,
    holdout_lights,
    holdout_set,
    lit_holdout,
    training_set,
)

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


def write_training(folder: Path) -> None:
    _write(folder, *training_set(), {})


def write_holdout(folder: Path) -> None:
    """Write the holdout with the column `light`: `day`, or the darker and noisier `night`."""
    _write(folder, lit_holdout(), holdout_set()[1], {"light": holdout_lights()})


def register(ml: "MLClient") -> None:
    """Register both sets as Data assets of the workspace, unless they exist."""
    from azure.ai.ml.entities import Data
    from azure.core.exceptions import ResourceNotFoundError

    for reference, write in ((TRAINING_DATA, write_training), (HOLDOUT_DATA, write_holdout)):
        name, version = reference.split(":")
        try:
            ml.data.get(name, version)
        except ResourceNotFoundError:
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch, name)
                write(folder)
                ml.data.create_or_update(Data(name=name, version=version, type="uri_folder", path=folder))


def _write(folder: Path, images: Pixels, labels: Sequence[str], columns: dict[str, Sequence[str]]) -> None:
    """Write labels.csv and images.zip.

    Without the archive, each of a thousand images would need its own request.
    """
    folder.mkdir(parents=True)
    names = [f"digit-{number:04}.png" for number in range(len(images))]
    rows: Iterable[Sequence[str]] = zip(names, labels, *columns.values(), strict=True)
    header = ("img", "label", *columns)
    (folder / "labels.csv").write_text(
        "".join(",".join(row) + "\n" for row in (header, *rows)), encoding="utf-8"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, image in zip(names, images, strict=True):
            # ZipInfo has a fixed date. With the present time, the archive would have another content at each
            # upload.
            archive.writestr(zipfile.ZipInfo(name), as_png(image))
    (folder / "images.zip").write_bytes(packed.getvalue())


if __name__ == "__main__":
    from examples import local_cloud

    register(local_cloud.development())
