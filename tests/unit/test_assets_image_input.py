"""What models of images take: which tensors fit, and what the others have to say of themselves."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batch_size import first_size, machine_memory
from image_input import Frame, ImageInput, image_input
from onnx_description import as_mlmodel
from preprocess_keys import UnfitModelError
from tensors import to_tensor

IN_THE_SERVICE, IN_THE_JOBS = Path("src/tidegate/domain/jobs"), Path("src/assets/image_scoring")
ANY = object()  # metadata without preprocess


def tensor(*shape: int, dtype: str = "uint8", **names: str) -> dict[str, Any]:
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}, **names}


def mlmodel(*inputs: dict[str, Any], preprocess: Any = ANY) -> dict[str, Any]:
    metadata = {} if preprocess is ANY else {"preprocess": preprocess}
    return {"signature": {"inputs": json.dumps(inputs)}, "metadata": metadata}


@pytest.mark.parametrize("name", ["image_input", "preprocess_keys", "image_presets", "onnx_description"])
def test_the_service_and_the_jobs_have_the_same_rules(name: str) -> None:
    service = (IN_THE_SERVICE / f"{name}.py").read_text()

    assert service.replace("from tidegate.domain.jobs.", "from ") == (IN_THE_JOBS / f"{name}.py").read_text()


@pytest.mark.parametrize(
    ("given", "preprocess", "expected"),
    [
        (tensor(-1, 8, 8, 1), ANY, ImageInput(Frame(8, 8, 1, grey=True))),
        (tensor(-1, 224, 192, 3, name="pixels"), ANY, ImageInput(Frame(224, 192, 3), name="pixels")),
        (tensor(-1, 3, 224, 192), ANY, ImageInput(Frame(224, 192, 3), layout="NCHW")),
        (tensor(4, 8, 8, 1), ANY, ImageInput(Frame(8, 8, 1, grey=True), batch=4)),
        (tensor(-1, 3, 32, 3), {"layout": "NCHW"}, ImageInput(Frame(32, 3, 3), layout="NCHW")),
        (tensor(-1, 3, 32, 3), {"layout": "nhwc"}, ImageInput(Frame(3, 32, 3))),
        (tensor(-1, -1, -1, 3), {"size": [32, 48]}, ImageInput(Frame(32, 48, 3))),
        (tensor(-1, 64), {"size": 8}, ImageInput(Frame(8, 8, 1, grey=True), flat=True)),
        (tensor(-1, 8, 8, 3), {"color": "grey"}, ImageInput(Frame(8, 8, 3, grey=True))),
        (
            tensor(-1, 3, 8, 8, dtype="float32"),
            {"scale": 0.00392156862745098, "mean": 0.5, "std": [0.1, 0.2, 0.3], "color": "BGR"},
            ImageInput(
                Frame(8, 8, 3),
                "float32",
                "NCHW",
                bgr=True,
                scale=Fraction(1, 255),
                mean=(0.5,) * 3,
                std=(0.1, 0.2, 0.3),
            ),
        ),
        (
            tensor(-1, 3, 224, 224, dtype="float32"),
            {"preset": "ResNet50_Weights.IMAGENET1K_V2"},
            ImageInput(
                Frame(224, 224, 3, resize=232, crop=True),
                "float32",
                "NCHW",
                scale=Fraction(1, 255),
                mean=(0.485, 0.456, 0.406),
                std=(0.229, 0.224, 0.225),
            ),
        ),
        (
            tensor(-1, -1, -1, 3, dtype="float16"),
            {"preset": "imagenet", "size": [192, 192], "mean": 0, "std": 1},
            ImageInput(
                Frame(192, 192, 3, resize=256, crop=True),
                "float16",
                scale=Fraction(1, 255),
                mean=(0.0,) * 3,
                std=(1.0,) * 3,
            ),
        ),
    ],
)
def test_a_tensor_that_needs_no_guess_fits(
    given: dict[str, Any], preprocess: Any, expected: ImageInput
) -> None:
    assert image_input(mlmodel(given, preprocess=preprocess)) == expected


FLOATS = tensor(-1, 3, 32, 32, dtype="float32")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({}, "no tensor signature"),
        ({"signature": None}, "no tensor signature"),
        ({"signature": {"inputs": None}}, "no tensor signature"),
        (mlmodel({"type": "double", "name": "x"}), "no tensor signature"),
        (mlmodel(tensor(-1, 8, 8, 1), tensor(-1, 8, 8, 1)), "2 inputs"),
        (
            mlmodel(tensor(-1, 8, 8, 1, dtype="int32")),
            r"int32 \(-1, 8, 8, 1\), expected one of uint8, float16",
        ),
        (mlmodel(tensor(-1, 64)), r"uint8 \(-1, 64\), .*: add size: \[height, width\]"),
        (mlmodel(tensor(-1, 65), preprocess={"size": 8}), r"not 1 or 3 channels of size \[8, 8\]"),
        (mlmodel(tensor(-1, 192), preprocess={"size": 8}), "layout: NCHW .* or layout: NHWC"),
        (mlmodel(tensor(0, 8, 8, 1)), "the first dimension must be -1"),
        (mlmodel(tensor(-1, -1, -1, 3)), r"any size: add size: \[height, width\]"),
        (mlmodel(tensor(-1, 8, 8, 4)), "expected .*-1, height, width, 1 or 3. or .-1, 1 or 3, height, width"),
        (mlmodel(tensor(-1, 8, 8)), "expected images"),
        (mlmodel(tensor(-1, 3, 32, 3)), "layout: NCHW .* or layout: NHWC"),
        (mlmodel(tensor(-1, 3, 32, 3, dtype="float32")), "layout: NCHW .* or layout: NHWC"),
        (mlmodel(FLOATS), "does not say how pixels become float32: add preprocess .*preset: imagenet"),
        (mlmodel(FLOATS, preprocess={"layout": "NHWC"}), "which is not NHWC"),
        (mlmodel(FLOATS, preprocess={"size": 64}), r"says size: \[64, 64\]"),
        (mlmodel(FLOATS, preprocess={"resize": 64}), "resize: 64 .* add crop: center"),
        (
            mlmodel(FLOATS, preprocess={"resize": [64, 64]}),
            r"\[64, 64\] .* is not the size .* add crop: center",
        ),
        (
            mlmodel(FLOATS, preprocess={"means": 1, "std": 0}),
            "no key 'means'.*; std is 0, expected 1 or 3 numbers",
        ),
        (mlmodel(FLOATS, preprocess={"scale": 255}), "scale is 255, expected .* 1/255, and at most 1"),
        (
            mlmodel(FLOATS, preprocess={"preset": "resnet"}),
            "preset is 'resnet', expected imagenet, or weights",
        ),
        (mlmodel(FLOATS, preprocess={"crop": True}), "crop is True, expected center"),
        (mlmodel(FLOATS, preprocess="imagenet"), "metadata.preprocess is 'imagenet'"),
        (
            mlmodel(tensor(-1, 8, 8, 3), preprocess={"mean": 0.5, "std": 2}),
            "mean and std .* cannot be applied",
        ),
        (mlmodel(tensor(-1, 8, 8, 1), preprocess={"color": "BGR"}), "one channel, which color: BGR"),
        (
            mlmodel(tensor(-1, 8, 8, 1, dtype="float32"), preprocess={"mean": [1, 2, 3]}),
            "mean .* has 3 values",
        ),
    ],
)
def test_any_other_model_is_told_what_it_lacks(model: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnfitModelError, match=reason) as raised:
        image_input(model)

    assert "\n" not in str(raised.value)


PIXELS = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_numbers_are_scaled_and_ordered_as_declared(dtype: str, layout: str, color: str) -> None:
    shape = (-1, 4, 5, 3) if layout == "NHWC" else (-1, 3, 4, 5)
    declared = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7], "color": color}
    given = image_input(mlmodel(tensor(*shape, dtype=dtype), preprocess=declared))

    numbers = to_tensor(PIXELS, given)

    ordered = PIXELS[..., ::-1] if color == "BGR" else PIXELS
    expected = (ordered / 255 - np.array([0.1, 0.2, 0.3])) / np.array([0.5, 0.6, 0.7])
    expected = expected if layout == "NHWC" else expected.transpose(0, 3, 1, 2)
    assert numbers.dtype == dtype
    assert numbers.flags.c_contiguous
    np.testing.assert_allclose(numbers, expected, atol=2e-3 if dtype == "float16" else 1e-6)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_whole_numbers_stay_as_they_are(layout: str) -> None:
    shape = (-1, 4, 5, 3) if layout == "NHWC" else (-1, 3, 4, 5)

    numbers = to_tensor(PIXELS, image_input(mlmodel(tensor(*shape))))

    assert numbers.dtype == np.uint8
    assert (numbers == (PIXELS if layout == "NHWC" else PIXELS.transpose(0, 3, 1, 2))).all()


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_a_row_of_numbers_has_the_declared_order(layout: str) -> None:
    given = image_input(mlmodel(tensor(-1, 60), preprocess={"size": [4, 5], "layout": layout}))

    ordered = PIXELS if layout == "NHWC" else PIXELS.transpose(0, 3, 1, 2)
    assert (to_tensor(PIXELS, given) == ordered.reshape(2, 60)).all()


def test_the_description_of_an_onnx_model_says_what_an_mlmodel_file_would() -> None:
    described = {
        "input": {"shape": [4, 3, 8, 8], "type": "float32", "name": "pixels"},
        "labels": ["cat", "dog"],
        "preprocess": {"mean": 0.5},
    }

    content = as_mlmodel(described)

    assert image_input(content) == image_input(
        mlmodel(tensor(4, 3, 8, 8, dtype="float32", name="pixels"), preprocess={"mean": 0.5})
    )
    assert content["metadata"]["labels"] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        ({}, r"has no input: add input: \{shape: \[-1, 3, 224, 224\], type: float32\}"),
        ({"input": [1, 3, 8, 8]}, "has no input: add input"),
        ({"input": {"shape": [1, 3, 8, 8]}, "label": []}, "has the key 'label', and may have input, labels"),
        ({"input": {"shape": [-1, 3, 8, 8]}}, "takes float32 .*add preprocess"),
    ],
)
def test_a_description_that_lacks_something_says_what_to_add(described: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnfitModelError, match=reason):
        image_input(as_mlmodel(described))


@pytest.mark.parametrize(
    ("given", "gigabytes", "images"),
    [
        (ImageInput(Frame(8, 8, 1)), 1, 64),
        (ImageInput(Frame(224, 224, 3), dtype="float32"), 64, 64),
        (ImageInput(Frame(224, 224, 3), dtype="float32"), 4, 27),
        (ImageInput(Frame(4_000, 3_000, 3), dtype="float32"), 1_000, 1),
        (ImageInput(Frame(4_000, 3_000, 3), dtype="float32"), 1, 1),
        (ImageInput(Frame(224, 224, 3), dtype="float32", batch=24), 1, 48),
        (ImageInput(Frame(224, 224, 3), dtype="float32", batch=100), 1, 100),
    ],
)
def test_the_first_size_of_a_batch_fits_the_memory(given: ImageInput, gigabytes: int, images: int) -> None:
    assert first_size(given, gigabytes * 2**30) == images


def test_the_memory_of_the_machine_is_known() -> None:
    assert 2**28 < machine_memory() < 2**50
