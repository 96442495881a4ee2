"""A labelled set: labels.csv with the columns img and label, and images beside this file or in images.zip.

Further columns of labels.csv, such as the camera or the shop, can be used as slices.
"""

import codecs
import csv
import io
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from decoding import Pixels, decode
from image_input import Frame

LABELS = "labels.csv"
PACKED = "images.zip"
SEPARATORS = (",", ";", "\t")
SHOWN_NAMES = 5


class UnfitDataError(ValueError):
    """A folder is not a labelled set, or the labelled set cannot be used."""


@dataclass(frozen=True)
class LabelledSet:
    """The names of images with their labels, and the further columns of labels.csv."""

    folder: Path
    names: Sequence[str]
    labels: Sequence[str]
    columns: dict[str, Sequence[str]]

    def __len__(self) -> int:
        return len(self.names)

    def batches(self, frame: Frame, size: int = 500) -> Iterator[Pixels]:
        """Yield the images as uint8 arrays (n, height, width, channels), in the order of the names.

        Raise UnfitDataError if an image is missing or broken.
        """
        with _Images(self.folder) as images:
            for start in range(0, len(self), size):
                names = self.names[start : start + size]
                yield np.stack([_pixels(images, name, frame) for name in names])


def read_labelled(folder: Path, *, slice_by: str | None = None) -> LabelledSet:
    """Read the labelled set in a folder.

    Raise UnfitDataError if the set cannot be used. The message says what is wrong and what exists instead.
    """
    file = folder / LABELS
    if not file.is_file():
        names = ", ".join(sorted(path.name for path in folder.iterdir())[:SHOWN_NAMES]) or "nothing"
        raise UnfitDataError(f"there is no {LABELS} beside the images; there is {names}")
    columns, rows = _table(file)
    for column in filter(None, ("img", "label", slice_by)):
        if column not in columns:
            raise UnfitDataError(f"{LABELS} has no column {column!r}; it has {', '.join(columns) or 'none'}")
    _check(rows, [column for column in ("img", "label", slice_by) if column])
    others = {column: [row[column] for row in rows] for column in columns if column not in ("img", "label")}
    return LabelledSet(folder, [row["img"] for row in rows], [row["label"] for row in rows], others)


def _table(file: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the columns and the rows of a file as Excel or a program saves it.

    Raise UnfitDataError, which names the file, if its encoding or its form is not known.
    """
    text = _text(file)
    header = text.partition("\n")[0]
    # Excel separates columns by the list separator of the country, and its "Unicode text" by tabs.
    separator = max(SEPARATORS, key=header.count)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, restval="", strict=True)
        columns = [column.strip() for column in reader.fieldnames or []]
        reader.fieldnames = columns
        rows = list(reader)
    except csv.Error as error:
        raise UnfitDataError(f"{file} cannot be read as CSV: {error}") from error
    for number, row in enumerate(rows, start=2):
        if None in row:
            raise UnfitDataError(f"{file} row {number} has more columns than the header, {len(columns)}")
    return columns, rows


def _text(file: Path) -> str:
    """Return the text of a file in UTF-8, UTF-16 with a byte order mark, or Excel's Japanese encoding."""
    data = file.read_bytes()
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if utf16 else ("utf-8-sig", "cp932"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text and (encoding != "cp932" or _is_japanese(text)):
            return text
    raise UnfitDataError(f"{file} is not in UTF-8, UTF-16 or cp932: save it as CSV UTF-8")


def _is_japanese(text: str) -> bool:
    """Return whether a text has kana or frequent kanji (first byte 0x81 to 0x9f in cp932).

    Western encodings use these bytes for few signs, but most of their texts are valid in cp932, too.
    """
    return any(0x81 <= letter.encode("cp932")[0] <= 0x9F for letter in set(text) if not letter.isascii())


def _check(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    if not rows:
        raise UnfitDataError(f"{LABELS} has no rows")
    for number, row in enumerate(rows, start=2):
        if empty := [column for column in columns if not row[column]]:
            raise UnfitDataError(f"{LABELS} row {number}: {', '.join(empty)} is empty")
    if twice := [name for name, count in Counter(row["img"] for row in rows).items() if count > 1]:
        raise UnfitDataError(f"{LABELS} names images twice: {', '.join(twice[:SHOWN_NAMES])}")


class _Images:
    """The bytes of images by name, from files or from the archive."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._archive = zipfile.ZipFile(folder / PACKED) if (folder / PACKED).is_file() else None

    def __enter__(self) -> "_Images":
        return self

    def __exit__(self, *_: object) -> None:
        if self._archive:
            self._archive.close()

    def read(self, name: str) -> bytes:
        return self._archive.read(name) if self._archive else (self._folder / name).read_bytes()


def _pixels(images: _Images, name: str, frame: Frame) -> Pixels:
    try:
        return decode(images.read(name), frame).pixels
    except (FileNotFoundError, KeyError):
        raise UnfitDataError(f"{LABELS} names {name}, but this image does not exist") from None
    # A decoder may raise any exception for damaged or hostile bytes.
    except Exception as error:
        raise UnfitDataError(f"{name} cannot be read as an image: {error}") from error
