"""Labelled sets: what is read, and in which words the rest is refused."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from examples.digits.images import as_png
from image_input import Frame
from labelled import LabelledSet, UnfitDataError, read_labelled


def image(grey: int) -> bytes:
    return as_png(np.full((8, 8, 1), grey, dtype=np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "labels.csv").write_text("img,label,camera\na.png,cat,left\nb.png,dog,right\n")
    (tmp_path / "a.png").write_bytes(image(10))
    (tmp_path / "b.png").write_bytes(image(200))
    return tmp_path


def brightness(found: LabelledSet) -> list[float]:
    return [float(pixels.mean()) for batch in found.batches(Frame(8, 8, 1), size=1) for pixels in batch]


def test_images_come_in_the_order_of_their_labels(folder: Path) -> None:
    found = read_labelled(folder, slice_by="camera")

    assert (found.names, found.labels) == (["a.png", "b.png"], ["cat", "dog"])
    assert found.columns == {"camera": ["left", "right"]}
    assert brightness(found) == [10, 200]


def test_many_images_may_come_as_one_archive(folder: Path) -> None:
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for name in ("a.png", "b.png"):
            archive.write(folder / name, name)
            (folder / name).unlink()

    assert brightness(read_labelled(folder)) == [10, 200]


def test_what_excel_saves_is_read(folder: Path) -> None:
    (folder / "labels.csv").write_bytes(b"\xef\xbb\xbfimg,label\r\na.png,cat\r\n")

    assert read_labelled(folder).labels == ["cat"]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"], ids=["UTF-8", "with BOM", "UTF-16", "cp932"]
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_what_excel_saves_in_japanese_is_read(folder: Path, encoding: str, separator: str, end: str) -> None:
    lines = [("img", "label", "line"), ("a.png", "不良品、傷あり", "第1"), ("猫ソ.png", "良品", "第2")]
    text = "".join(separator.join(line) + end for line in lines)
    (folder / "labels.csv").write_bytes(text.encode(encoding))

    labelled = read_labelled(folder, slice_by="line")

    assert labelled.names == ["a.png", "猫ソ.png"]
    assert labelled.labels == ["不良品、傷あり", "良品"]
    assert labelled.columns == {"line": ["第1", "第2"]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"img,label\na.png,caf\xe9 \xff\n", r"labels\.csv is not in UTF-8, UTF-16 or cp932"),
        (b"i\0m\0g\0", r"labels\.csv is not in UTF-8"),
        (b'img,label\na.png,"cat\n', r"labels\.csv cannot be read as CSV"),
        (b"img,label\na.png,cat,left\n", r"labels\.csv row 2 has more columns than the header, 2"),
        ("img,label\na.png,\u00e9t\u00e9\n".encode("latin-1"), r"labels\.csv is not in UTF-8"),
        ("img,label\na.png,\u00d6l\n".encode("latin-1"), r"labels\.csv is not in UTF-8"),
        ("img,label\na.png,caf\u00e9\n".encode("latin-1"), r"labels\.csv"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_name(
    folder: Path, content: bytes, reason: str
) -> None:
    (folder / "labels.csv").write_bytes(content)

    with pytest.raises(UnfitDataError, match=reason):
        read_labelled(folder)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ("", "no column 'img'; it has none"),
        ("img,label,camera\n", "no rows"),
        ("file,label\na.png,cat\n", "no column 'img'; it has file, label"),
        ("img,label\na.png,cat\n", "no column 'camera'; it has img, label"),
        ("img,label,camera\na.png,,left\n", "row 2: label is empty"),
        ("img,label,camera\na.png,cat\n", "row 2: camera is empty"),
        ("img,label,camera\na.png,cat,left\na.png,dog,left\n", "names images twice: a.png"),
    ],
)
def test_labels_that_do_not_fit_are_refused_with_the_reason(folder: Path, labels: str, reason: str) -> None:
    (folder / "labels.csv").write_text(labels)

    with pytest.raises(UnfitDataError, match=reason):
        read_labelled(folder, slice_by="camera")


def test_a_folder_without_labels_is_refused_with_what_is_there(folder: Path) -> None:
    (folder / "labels.csv").unlink()

    with pytest.raises(UnfitDataError, match=r"no labels\.csv.*there is a\.png, b\.png"):
        read_labelled(folder)


def test_an_image_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "b.png").unlink()

    with pytest.raises(UnfitDataError, match=r"b\.png, but this image does not exist"):
        brightness(read_labelled(folder))


def test_a_broken_image_is_named(folder: Path) -> None:
    (folder / "b.png").write_bytes(b"no image")

    with pytest.raises(UnfitDataError, match=r"b\.png cannot be read as an image"):
        brightness(read_labelled(folder))
