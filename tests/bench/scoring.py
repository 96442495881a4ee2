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
BOUND = "the smaller of decoding alone and predicting alone"
MINI_BATCH = 256  # as score_images.yml has it
PHOTOS, LARGE_PHOTOS = 200, 20
ROUNDS = 3


def measure(root: Path) -> list[Row]:
    scripts = str(root / "src/assets/image_scoring")
    sys.path[:0] = [scripts, str(root / "src/assets/retraining")]
    with tempfile.TemporaryDirectory() as scratch:
        digits, photos, large = (Path(scratch, name) for name in ("digits", "photos", "large"))
        write(month("202611", 500), digits / "images")
        save_model(digits / "model", (8, 8, 1))
        write_photos(photos / "images", PHOTOS, (640, 480))
        save_model(photos / "model", (224, 224, 3))
        write_photos(large / "images", LARGE_PHOTOS, (4000, 3000))
        save_model(large / "model", (224, 224, 3))
        return [
            *rows("digits, PNG of 8 x 8", digits, (">= 2", ">= 0.85")),
            *rows("photos, JPEG of 640 x 480", photos, (">= 3 on two cores", ">= 0.85")),
            *rows("photos, JPEG of 4000 x 3000", large, (">= 5", ">= 0.85")),
            Row.ratio("process start to first prediction", "s", starts(digits, scripts), "mlflow.pyfunc", ""),
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


def rows(name: str, folder: Path, targets: tuple[str, str]) -> list[Row]:
    """Compare with the loop, and with the smaller of what decoding and predicting alone reach."""
    ours, loop, decoding, predicting = throughputs(folder)
    return [
        Row.ratio(name, "images/s", (ours, loop), LOOP, targets[0]),
        Row.ratio(f"  {name}", "images/s", (ours, min(decoding, predicting)), BOUND, targets[1]),
    ]


def write_photos(folder: Path, count: int, size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(count):
        blotches = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        blotches.resize(size, Image.Resampling.BICUBIC).save(folder / f"photo-{number:03}.jpg", quality=90)


def throughputs(folder: Path) -> tuple[float, ...]:
    """Return images per second in mini-batches, in the loop, of decoding alone and of predicting alone.

    Each is the best of some rounds, which take turns, because other programs use the processor, too.
    """
    import mlflow.pyfunc
    from image_model import ImageModel
    from picture_reader import PictureReader
    from score_images import Scorer

    files = sorted(str(path) for path in (folder / "images").iterdir())
    model = ImageModel(folder / "model")
    scorer = Scorer(folder / "images", [Path(file).name for file in files], model)
    reader = PictureReader(model.frame)
    naive = mlflow.pyfunc.load_model(str(folder / "model"))
    pixels = np.stack([picture.pixels for picture in reader.read(files[:64])])

    def ours(files: list[str]) -> None:
        for start in range(0, len(files), MINI_BATCH):
            scorer.score(files[start : start + MINI_BATCH])

    def loop(files: list[str]) -> None:
        for file in files:
            one_row(naive, file, model.frame)

    def decode(files: list[str]) -> None:
        for start in range(0, len(files), MINI_BATCH):
            list(reader.read(files[start : start + MINI_BATCH]))

    def predict(files: list[str]) -> None:
        for start in range(0, len(files), model.chunk):
            model.predict(pixels[: len(files[start : start + model.chunk])])

    best = dict.fromkeys((ours, loop, decode, predict), 0.0)
    for _ in range(ROUNDS):
        for work, rate in best.items():
            work(files[:10])
            started = time.perf_counter()
            work(files)
            best[work] = max(rate, len(files) / (time.perf_counter() - started))
    scorer.close()
    reader.close()
    return tuple(best.values())


def one_row(model: Any, file: str, shape: Any) -> str:
    """Score an image as the body of the article's loop does: open, resize, predict, append."""
    image = (
        Image.open(file).convert("L" if shape.channels == 1 else "RGB").resize((shape.width, shape.height))
    )
    pixels = np.asarray(image, dtype=np.uint8).reshape(1, shape.height, shape.width, shape.channels)
    probabilities = model.predict(pixels)
    return f"{Path(file).name},{np.argmax(probabilities)}"


def starts(folder: Path, scripts: str) -> tuple[float, float]:
    """Return the seconds from the start of a process to a first prediction, for each of the two ways."""
    file = next((folder / "images").iterdir())
    ours = f"""
import sys; sys.path.insert(0, {scripts!r})
from pathlib import Path; import score_images
model = score_images.ImageModel(Path({str(folder / "model")!r}))
scorer = score_images.Scorer(Path({str(file.parent)!r}), [{file.name!r}], model)
print(scorer.score([{str(file)!r}]))
"""
    naive = f"""
import mlflow.pyfunc, numpy as np; from PIL import Image
model = mlflow.pyfunc.load_model({str(folder / "model")!r})
print(model.predict(np.asarray(Image.open({str(file)!r}).convert("L"), dtype=np.uint8).reshape(1, 8, 8, 1)))
"""
    seconds = []
    for program in (ours, naive):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return seconds[0], seconds[1]
