"""Compares our preprocessing with torchvision's own, and prints the differences as JSON.

It runs in a Python that has torch and torchvision: the tests start it.
"""

import io
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src/assets/image_scoring"))


def main() -> None:
    # Some builds of torchvision lack their compiled operators, which the transforms do not need.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        try:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        except RuntimeError:  # it is there
            pass
    print(json.dumps({"pixels": differing_pictures(), "presets": differing_presets()}))


def differing_pictures() -> list[str]:
    """Return the sizes and modes of pictures that become other numbers than torchvision makes of them."""
    from decoding import decode
    from image_input import image_input
    from tensors import to_tensor
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

    random, differing = np.random.default_rng(0), []
    for preset, resize, size, way in (
        ("imagenet", 256, 224, InterpolationMode.BILINEAR),
        ("EfficientNet_B1_Weights.IMAGENET1K_V1", 256, 240, InterpolationMode.BICUBIC),
    ):
        spec = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3, size, size]}}
        given = image_input(
            {"signature": {"inputs": json.dumps([spec])}, "metadata": {"preprocess": {"preset": preset}}}
        )
        normalize = Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        theirs = Compose([Resize(resize, way), CenterCrop(size), ToTensor(), normalize])
        for width, height in ((1000, 601), (601, 1000), (300, 300), (224, 231), (100, 257), (9, 500)):
            for mode in ("RGB", "L"):
                pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
                image = Image.fromarray(pixels).convert(mode)
                buffer = io.BytesIO()
                image.save(buffer, format="PNG")
                ours = to_tensor(decode(buffer.getvalue(), given.frame).pixels[None], given)[0]
                if not np.array_equal(ours, theirs(image.convert("RGB")).numpy()):
                    differing.append(f"{preset} {width} x {height} {mode}")
    return differing


def differing_presets() -> list[str]:
    """Return the weights of torchvision that our table lacks or has with other numbers."""
    from image_presets import PRESETS
    from torchvision.models import get_model_weights, list_models
    from torchvision.transforms._presets import ImageClassification

    differing = []
    for model in list_models():
        for weights in get_model_weights(model):
            if getattr(weights.transforms, "func", None) is not ImageClassification:
                continue
            name, theirs = str(weights), weights.transforms()
            if "IMAGENET1K_V" not in name or name.rpartition("_V")[0].endswith(("E2E", "LINEAR")):
                continue
            values = (*theirs.resize_size, *theirs.crop_size, theirs.interpolation.value)
            if (*values, tuple(theirs.mean), tuple(theirs.std)) != tuple(PRESETS.get(name, ())):
                differing.append(name)
    return differing


if __name__ == "__main__":
    main()
