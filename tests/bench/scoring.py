"""Scoring in mini-batches, compared with the article's loop over single images, on the same images."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from examples.digits.images import month, write
from PIL import Image

from tests.bench.table import Row

LOOP = "one image at a time"
MINI_BATCH = 100  # as score_images.yml has it
PHOTOS = 200


def measure(root: Path) -> list[Row]:
    scripts = str(root / "src/assets/image_scoring")
    sys.path[:0] = [scripts, str(root / "src/assets/retraining")]
    with tempfile.TemporaryDirectory() as scratch:
        digits, photos = Path(scratch, "digits"), Path(scratch, "photos")
        write(month("202611", 500), digits / "images")
        save_model(digits / "model", (8, 8, 1))
        write_photos(photos / "images")
        save_model(photos / "model", (224, 224, 3))
        return [
            Row.ratio("digits, PNG of 8 x 8", "images/s", throughputs(digits), LOOP, ""),
            Row.ratio("photos, JPEG of 640 x 480", "images/s", throughputs(photos), LOOP, ""),
            Row.ratio(
                "process start to loaded model", "s", starts(digits / "model", scripts), "mlflow.pyfunc", ""
            ),
        ]


def save_model(folder: Path, shape: tuple[int, int, int]) -> None:
    """Save the image classifier's two layers with random weights, for images of any shape."""
    import image_classifier
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    random = np.random.default_rng(0)
    sizes = [(int(np.prod(shape)), 64), (64,), (64, 10), (10,)]
    folder.parent.mkdir(exist_ok=True)
    weights = folder.with_suffix(".npz")
    image_classifier.save_weights([random.normal(scale=0.01, size=size) for size in sizes], weights)
    mlflow.pyfunc.save_model(
        folder,
        loader_module="image_classifier",
        code_paths=[image_classifier.__file__],
        data_path=weights,
        signature=ModelSignature(inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, *shape))])),
        pip_requirements=["numpy"],
    )


def write_photos(folder: Path) -> None:
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(PHOTOS):
        blotches = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        blotches.resize((640, 480), Image.Resampling.BICUBIC).save(
            folder / f"photo-{number:03}.jpg", quality=90
        )


def throughputs(folder: Path) -> tuple[float, float]:
    """Return images per second in mini-batches and in the loop, after both have scored a few images."""
    import mlflow.pyfunc
    from image_model import ImageModel
    from score_images import Scorer

    files = sorted(str(path) for path in (folder / "images").iterdir())
    model = ImageModel(folder / "model")
    scorer = Scorer(folder / "images", [Path(file).name for file in files], model)
    naive = mlflow.pyfunc.load_model(str(folder / "model"))

    def ours(files: list[str]) -> list[str]:
        batches = (files[start : start + MINI_BATCH] for start in range(0, len(files), MINI_BATCH))
        return [row for batch in batches for row in scorer.score(batch)]

    def loop(files: list[str]) -> list[str]:
        return [one_row(naive, file, model.frame) for file in files]

    rates = []
    for score in (ours, loop):
        score(files[:10])
        started = time.perf_counter()
        rows = score(files)
        rates.append(len(rows) / (time.perf_counter() - started))
    scorer.close()
    return rates[0], rates[1]


def one_row(model: Any, file: str, shape: Any) -> str:
    """Score an image as the body of the article's loop does: open, resize, predict, append."""
    image = (
        Image.open(file).convert("L" if shape.channels == 1 else "RGB").resize((shape.width, shape.height))
    )
    pixels = np.asarray(image, dtype=np.uint8).reshape(1, shape.height, shape.width, shape.channels)
    probabilities = model.predict(pixels)
    return f"{Path(file).name},{np.argmax(probabilities)}"


def starts(model: Path, scripts: str) -> tuple[float, float]:
    """Return the seconds from the start of a process to a loaded model, for each of the two ways."""
    ours = f"import sys; sys.path.insert(0, {scripts!r}); import score_images, pathlib; "
    ours += f"score_images.ImageModel(pathlib.Path({str(model)!r}))"
    naive = f"import mlflow.pyfunc; mlflow.pyfunc.load_model({str(model)!r})"
    seconds = []
    for program in (ours, naive):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return seconds[0], seconds[1]
