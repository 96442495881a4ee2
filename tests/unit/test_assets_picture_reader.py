"""The threads that read pictures ahead of the model."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from decoding import BrokenImageError, Picture
from image_input import Frame
from picture_reader import GROUP, MOST_BYTES, MOST_GROUPS, PictureReader
from PIL import Image


@pytest.fixture
def reader() -> Iterator[PictureReader]:
    reader = PictureReader(Frame(16, 16, 1))
    yield reader
    reader.close()


def save(folder: Path, count: int, size: tuple[int, int]) -> list[str]:
    """Save pictures whose grey is their number."""
    for number in range(count):
        Image.new("L", size, number).save(folder / f"{number:03}.png")
    return [str(folder / f"{number:03}.png") for number in range(count)]


@pytest.mark.parametrize("size", [(16, 16), (640, 480)], ids=["tiny", "large"])
def test_pictures_come_in_the_order_of_their_files(
    tmp_path: Path, reader: PictureReader, size: tuple[int, int]
) -> None:
    files = save(tmp_path, 50, size)

    for _ in range(2):
        pictures = [picture for picture in reader.read(files) if isinstance(picture, Picture)]
        assert [picture.pixels.max() for picture in pictures] == list(range(50))


def test_a_broken_file_has_its_place_among_the_others(tmp_path: Path, reader: PictureReader) -> None:
    files = save(tmp_path, 30, (640, 480))
    Path(files[3]).unlink()
    Path(files[20]).write_bytes(b"no image")

    pictures = list(reader.read(files))

    errors = {
        number: str(picture)
        for number, picture in enumerate(pictures)
        if isinstance(picture, BrokenImageError)
    }
    assert errors == {3: "the file is gone", 20: "not an image"}


@pytest.mark.parametrize("place", [0, 25])
def test_a_failure_of_the_storage_fails_the_mini_batch(
    tmp_path: Path, reader: PictureReader, place: int
) -> None:
    files = save(tmp_path, 30, (640, 480))
    files[place] = str(tmp_path)  # a folder cannot be read

    with pytest.raises(IsADirectoryError):
        list(reader.read(files))

    assert len(list(reader.read(files[1:20]))) == 19


def test_large_files_and_large_pictures_are_not_read_far_ahead(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, format="PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue() + bytes(MOST_BYTES // (8 * GROUP)))
    (tmp_path / "b.png").write_bytes(buffer.getvalue())
    small, large = PictureReader(Frame(8, 8, 1)), PictureReader(Frame(2048, 2048, 1))

    assert small.groups_ahead() == MOST_GROUPS
    assert large.groups_ahead() == 4
    list(small.read([str(tmp_path / "a.png")]))
    assert small.groups_ahead() == 7
    list(small.read([str(tmp_path / "b.png")]))
    assert 7 < small.groups_ahead() < MOST_GROUPS
    small.close()
    large.close()
