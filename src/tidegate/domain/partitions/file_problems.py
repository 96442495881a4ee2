"""Files that no job can read, found in the listing. Each becomes a row with its error."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from tidegate.domain.partitions.manifest import ListedBlob

# Limits of Linux, on which jobs mount the files: https://man7.org/linux/man-pages/man3/realpath.3.html
_LONGEST_SEGMENT = 255  # bytes in UTF-8
_LONGEST_PATH = 4095 - 511  # bytes in UTF-8; the rest is for the folder in which the files are mounted
ARCHIVED = "the file is in the archive tier: bring it back to the hot or cool tier"


def with_problems(files: Iterable[ListedBlob], names: Collection[str]) -> tuple[ListedBlob, ...]:
    """Return the files, each with the reason why no job can read it.

    `names` are all names of the partition.
    """
    folders = _folders(names)
    return tuple(
        replace(file, problem=problem) if (problem := _problem(file, folders)) else file for file in files
    )


def _problem(file: ListedBlob, folders: dict[str, str]) -> str:
    """Return the first reason why the file cannot be read, or an empty text."""
    inner = folders.get(file.name)
    clash = f"a file and a folder have this name, and the folder has {inner}: rename one of them"
    return (
        _problem_of_name(file.name)
        or (clash if inner else "")
        or (ARCHIVED if file.archived else "")
        or ("" if file.size else "the file is empty")
    )


def _problem_of_name(name: str) -> str:
    if "//" in name or name.startswith("/"):
        return "the name has an empty folder name (//), so it cannot be mounted: rename the file"
    if ("/." in name or name.startswith(".")) and {".", ".."} & set(name.split("/")):
        return "the name has a folder . or .., so it cannot be mounted: rename the file"
    if 4 * len(name) <= _LONGEST_SEGMENT:  # a character has at most four bytes
        return ""
    if max(map(len, name.encode().split(b"/"))) > _LONGEST_SEGMENT:
        return f"a part of the name is longer than {_LONGEST_SEGMENT} bytes: give the file a shorter name"
    too_long = len(name.encode()) > _LONGEST_PATH
    return f"the name is longer than {_LONGEST_PATH} bytes: give the file a shorter name" if too_long else ""


def _folders(names: Collection[str]) -> dict[str, str]:
    """Return the names that are also the name of a folder, each with a file in it."""
    folders: dict[str, str] = {}
    for name in names:
        folder = name.rpartition("/")[0]
        while folder and folder not in folders:
            folders[folder] = name
            folder = folder.rpartition("/")[0]
    return folders
