"""ResNet-50 and ViT-B on photos: mini-batches compared with the article's loop, on a GPU if there is one.

The script needs torch, numpy, Pillow and PyYAML, no index and no file but those of this checkout: photos and
weights are made in the run. On a CPU it also runs ResNet-50 as ONNX, if onnx and onnxruntime are installed.
A run with the default numbers takes some five minutes on a GPU with a few cores. From the root of a checkout:

    python tests/bench/gpu.py
    python tests/bench/gpu.py --models resnet50 --photos 64 --loop 8     # on a CPU
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src/assets/image_scoring"), str(Path(__file__).parent)]
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
MINI_BATCH = 256


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="resnet50,vit_b")
    parser.add_argument("--photos", type=int, default=4_096)
    parser.add_argument("--loop", type=int, default=512, help="photos for the loop")
    args = parser.parse_args()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(f"{device}, {os.cpu_count()} cores, torch {torch.__version__}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        files = write_photos(Path(scratch, "photos"), args.photos)
        for name in args.models.split(","):
            loop = measure_loop(name, files[: args.loop])
            show(f"{name}, torch", measure(save_model(Path(scratch, name), name), files), loop)
            # torch's exporter fixes the batch of its transformer layers, so only ResNet-50 becomes ONNX.
            as_onnx = name == "resnet50" and not torch.cuda.is_available()
            if as_onnx and (folder := save_onnx(Path(scratch, f"{name}-onnx"), name)):
                show(f"{name}, ONNX", measure(folder, files), loop)


def write_photos(folder: Path, count: int) -> list[str]:
    """Write photos of 640 x 480, and return their paths."""
    random = np.random.default_rng(0)
    folder.mkdir()
    files = [folder / f"{number:05}.jpg" for number in range(count)]
    for file in files[:256]:
        blotches = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        blotches.resize((640, 480), Image.Resampling.BICUBIC).save(file, quality=90)
    for number, file in enumerate(files[256:]):
        shutil.copyfile(files[number % 256], file)
    return [str(file) for file in files]


def save_model(folder: Path, name: str) -> Path:
    """Save a network as an MLflow model with a loader of its own."""
    (folder / "code").mkdir(parents=True)
    shutil.copyfile(Path(__file__).parent / "networks.py", folder / "code/networks.py")
    (folder / "name.txt").write_text(name)
    return describe(folder, {"loader_module": "networks", "code": "code", "data": "name.txt"})


def describe(folder: Path, flavor: dict[str, str]) -> Path:
    spec = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3, 224, 224]}}
    metadata = {"preprocess": {"preset": "imagenet"}, "output": {"activation": "softmax"}}
    mlmodel = {"flavors": {"python_function": flavor}, "signature": {"inputs": json.dumps([spec])}}
    (folder / "MLmodel").write_text(json.dumps(mlmodel | {"metadata": metadata}))
    return folder


def save_onnx(folder: Path, name: str) -> Path | None:
    """Save a network as ONNX, or return None if what that needs is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import torch
        from networks import make

        folder.mkdir()
        images, size = torch.zeros(2, 3, 224, 224), {"images": {0: torch.export.Dim("n")}}
        file = str(folder / "model.onnx")
        torch.onnx.export(
            make(name), (images,), file, dynamo=True, dynamic_shapes=tuple(size.values()), verbose=False
        )
    except ImportError as error:
        print(f"no ONNX: {error}")
        return None
    return describe(folder, {"loader_module": "mlflow.onnx", "data": "model.onnx"})


def measure(folder: Path, files: list[str]) -> tuple[float, float, float]:
    """Return images per second of scoring, of decoding alone and of predicting alone."""
    from image_model import ImageModel
    from picture_reader import PictureReader
    from score_images import Scorer

    model = ImageModel(folder)
    scorer = Scorer(Path(files[0]).parent, [Path(file).name for file in files], model)
    reader = PictureReader(model.frame)
    pixels = np.stack([picture.pixels for picture in reader.read(files[: model.chunk])])

    def in_parts(work: Callable[[list[str]], Any]) -> Callable[[list[str]], None]:
        def run(files: list[str]) -> None:
            for start in range(0, len(files), MINI_BATCH):
                work(files[start : start + MINI_BATCH])

        return run

    def predict(files: list[str]) -> None:
        for start in range(0, len(files), model.chunk):
            model.predict(pixels[: len(files[start : start + model.chunk])])

    works = (in_parts(scorer.score), in_parts(lambda files: list(reader.read(files))), predict)
    scoring, decoding, predicting = (rate(work, files) for work in works)
    scorer.close()
    reader.close()
    return scoring, decoding, predicting


def measure_loop(name: str, files: list[str]) -> float:
    """Return images per second of the article's loop: open, resize, cut out, normalize, predict, append."""
    from networks import Loaded

    network = Loaded(name)
    rows = []

    def score(files: list[str]) -> None:
        for file in files:
            image = Image.open(file).convert("RGB").resize((341, 256), Image.Resampling.BILINEAR)
            pixels = np.asarray(image.crop((58, 16, 282, 240)), dtype=np.float32) / 255
            tensor = np.ascontiguousarray(((pixels - MEAN) / STD).transpose(2, 0, 1))[None]
            rows.append((file, int(network.predict(tensor).argmax())))

    return rate(score, files)


def rate(work: Callable[[list[str]], Any], files: list[str]) -> float:
    """Return images per second, after a few images."""
    work(files[:16])
    started = time.perf_counter()
    work(files)
    return len(files) / (time.perf_counter() - started)


def show(name: str, rates: tuple[float, float, float], loop: float) -> None:
    scoring, decoding, predicting = rates
    bound = min(decoding, predicting)
    print(
        f"{name}: {scoring:,.1f} images/s, {scoring / loop:.2f} x the loop ({loop:,.1f});"
        f" {scoring / bound:.0%} of the smaller of decoding alone, {decoding:,.1f}, and predicting alone,"
        f" {predicting:,.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
