"""The scoring step on real files and real MLflow models, as Azure ML calls it."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from examples.digits.images import as_png, damaged
from image_model import ImageModel, UnfitModelError
from PIL import Image
from rows import Row, parse_rows
from score_images import Scorer

STEP = Path("src/assets/image_scoring").resolve()

# Labels an image "bright" or "dark" by its mean, and says how bright.
BRIGHTNESS_MODEL = """
import numpy as np

class Brightness:
    def predict(self, images, params=None):
        assert images.dtype == np.uint8
        means = images.reshape(len(images), -1).mean(axis=1)
        return {"label": np.where(means > 127, "bright", "dark"), "score": means}

def _load_pyfunc(path):
    return Brightness()
"""

# What Azure ML's runner does with an entry script, in small.
RUNNER = """
import json, sys
import score_images
score_images.init()
rows = [row for batch in json.load(sys.stdin) for row in score_images.run(batch)]
score_images.shutdown()
print(json.dumps({"rows": rows, "heavy": sorted({"mlflow", "pandas", "sklearn"} & set(sys.modules))}))
"""


def save_model(folder: Path, *, channels: int = 1, signature: bool = True) -> Path:
    tensor = [{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 8, 8, channels]}}]
    (folder / "code").mkdir(parents=True, exist_ok=True)
    (folder / "code" / "brightness.py").write_text(BRIGHTNESS_MODEL)
    mlmodel = {
        "flavors": {"python_function": {"loader_module": "brightness", "code": "code"}},
        "signature": {"inputs": json.dumps(tensor)} if signature else None,
    }
    (folder / "MLmodel").write_text(json.dumps(mlmodel))
    return folder


def grey(value: int, size: tuple[int, int] = (8, 8)) -> bytes:
    return as_png(np.full((*size, 1), value, dtype=np.uint8))


def png(image: Image.Image, format_: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=format_)
    return buffer.getvalue()


Score = Callable[..., list[Row]]


@pytest.fixture
def score(tmp_path: Path) -> Score:
    """Scores files (name to bytes) with the brightness model."""

    def run(files: dict[str, bytes], *, listed: list[str] | None = None, channels: int = 1) -> list[Row]:
        images = tmp_path / "images"
        for name, data in files.items():
            (images / name).parent.mkdir(parents=True, exist_ok=True)
            (images / name).write_bytes(data)
        scorer = Scorer(
            images,
            files if listed is None else listed,
            ImageModel(save_model(tmp_path / "model", channels=channels)),
        )
        lines = scorer.score([str(images / name) for name in files])
        scorer.close()
        return [row for row in parse_rows(lines) if row]

    return run


def test_images_are_labelled_and_scored(score: Score) -> None:
    rows = score({"a.png": grey(200), "b.png": grey(10)})

    assert rows == [Row("a.png", "bright", 200.0, ""), Row("b.png", "dark", 10.0, "")]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "the file is empty"),
        (b"no image at all", "not an image"),
        (damaged(grey(200), "garbage"), "not an image"),
        (damaged(grey(200, (64, 64)), "truncated"), "OSError: image file is truncated"),
        (grey(200)[:33], "not an image"),
        (grey(200)[:45] + b"\xff" * 8 + grey(200)[53:], "Error"),
        (png(Image.new("F", (8, 8)), "TIFF"), "pixels of mode F have no 8-bit meaning"),
    ],
    ids=["empty", "text", "zeros", "truncated", "header only", "flipped bits", "floats"],
)
def test_a_broken_image_is_a_row_with_its_error(score: Score, data: bytes, error: str) -> None:
    rows = score({"broken.png": data, "whole.png": grey(10)})

    assert [row.img for row in rows] == ["broken.png", "whole.png"]
    assert error in rows[0].error
    assert (rows[0].label, rows[0].score) == ("", None)
    assert rows[1] == Row("whole.png", "dark", 10.0, "")


def test_the_same_broken_bytes_give_the_same_row_again(score: Score) -> None:
    first = score({"a.png": grey(200)[:40]})

    assert score({"a.png": grey(200)[:40]}) == first


def deep_grey() -> Image.Image:
    return Image.fromarray(np.full((8, 8), 200 * 257, dtype=np.uint16))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "image",
    [
        Image.new("L", (8, 8), 200),
        Image.new("RGB", (8, 8), (200, 200, 200)),
        Image.new("RGBA", (8, 8), (200, 200, 200, 255)),
        Image.new("LA", (8, 8), (200, 255)),
        Image.new("RGB", (8, 8), (200, 200, 200)).quantize(4),
        Image.new("RGB", (80, 40), (200, 200, 200)),
        deep_grey(),
    ],
    ids=["grey", "colour", "alpha", "grey with alpha", "palette", "another size", "16 bits"],
)
def test_every_kind_of_image_becomes_the_models_tensor(
    score: Score, image: Image.Image, channels: int
) -> None:
    rows = score({"a.png": png(image)}, channels=channels)

    assert rows == [Row("a.png", "bright", 200.0, "")]


def test_what_the_pixels_may_lack_is_noted_in_the_row(score: Score) -> None:
    (row,) = score({"a.png": png(Image.fromarray(np.full((8, 8), 3_000, dtype=np.uint16)))})

    assert (row.label, row.error) == ("dark", "")
    assert row.note.startswith("its 16-bit values use at most 12 bits")


@pytest.mark.parametrize(
    "name",
    [
        "a,b.png",
        'say "hi".png',
        "line\nbreak.png",
        "back\rspace.png",
        "猫 ñ 🐈.png",
        "deep/er/a.png",
        " .png",
    ],
)
def test_a_name_comes_back_as_it_is(score: Score, name: str) -> None:
    assert score({name: grey(200)}) == [Row(name, "bright", 200.0, "")]


def test_a_file_outside_the_manifest_is_not_scored_but_has_its_row(score: Score) -> None:
    rows = score({"listed.png": grey(200), "late.png": grey(200)}, listed=["listed.png", "missing.png"])

    assert rows == [Row("listed.png", "bright", 200.0, ""), Row("late.png", "", None, "not in the manifest")]


def test_a_file_that_vanished_is_a_row_with_its_error(tmp_path: Path) -> None:
    scorer = Scorer(tmp_path, ["gone.png"], ImageModel(save_model(tmp_path / "model")))

    assert list(parse_rows(scorer.score([str(tmp_path / "gone.png")]))) == [
        Row("gone.png", "", None, "the file is gone")
    ]


def test_a_file_with_an_error_in_the_manifest_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "nowhere")
    model = ImageModel(save_model(tmp_path / "model"))
    scorer = Scorer(tmp_path, ["a.png"], model, {"a.png": "it is in the archive tier"})

    assert list(parse_rows(scorer.score([str(tmp_path / "a.png")]))) == [
        Row("a.png", "", None, "it is in the archive tier")
    ]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("/mnt/images/a.png", "a.png"),
        ("/mnt/images/deep/a.png", "deep/a.png"),
        ("/elsewhere/INPUT_images/deep/a.png", "deep/a.png"),
        ("/elsewhere/INPUT_images/a.png", "a.png"),
        ("/elsewhere/INPUT_images/late.png", "late.png"),
    ],
)
def test_a_files_name_is_relative_to_the_folder_wherever_it_is_mounted(
    tmp_path: Path, file: str, name: str
) -> None:
    scorer = Scorer(Path("/mnt/images"), ["a.png", "deep/a.png"], ImageModel(save_model(tmp_path)))

    assert scorer.name_of(file) == name


def test_a_model_without_a_signature_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnfitModelError, match="no tensor signature"):
        ImageModel(save_model(tmp_path, signature=False))


def test_the_entry_script_takes_azure_mls_own_arguments_and_starts_light(tmp_path: Path) -> None:
    for name, value in (("a.png", 200), ("b.png", 10), ("c.png", 30)):
        (tmp_path / name).write_bytes(grey(value))
    manifest = tmp_path / "manifest.jsonl"
    listed = [{"name": "a.png", "size": 67, "md5": "="}, {"name": "b.png", "size": 67, "etag": "0x8D"}]
    manifest.write_text("".join(json.dumps(file) + "\n" for file in listed))
    arguments = ["--images", str(tmp_path), "--manifest", str(manifest), "--azureml_workers", "2"]
    arguments += ["--model", str(save_model(tmp_path / "model"))]
    batches = [[str(tmp_path / "a.png"), str(tmp_path / "b.png")], [str(tmp_path / "c.png")]]

    result = subprocess.run(
        [sys.executable, "-c", RUNNER, *arguments],
        cwd=STEP,
        input=json.dumps(batches),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    answer = json.loads(result.stdout)
    assert [row and row.label for row in parse_rows(answer["rows"])] == ["bright", "dark", ""]
    assert answer["heavy"] == []
