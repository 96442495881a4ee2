"""List files: read the names that a sender wrote, and find the files that they mean.

Senders write lists with many programs. A name is first taken as it is written. Only if no file has that name,
it is taken without quotes, with slashes for backslashes, decoded, composed or relative to the partition.
"""

import codecs
import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from tidegate.errors import PermanentError

_BYTE_ORDER_MARKS = [  # UTF-32 first, because its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
]
_LINE_END = re.compile(r"\r\n|\n|\r")
_AZCOPY_LINE = re.compile(r"(?:INFO: )?(?P<name>.+?);\s+Content Length: .*")
_NAMES = ("Files", "files", "names")  # azcopy's --list-of-files has {"Files": [...]}
_NAME = ("Path", "path", "Name", "name", "file")


def decode_list(data: bytes, file: str) -> str:
    """Return the text of a list file: UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raise PermanentError that names the file if it is in no such encoding.
    """
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    if encoding is None and len(data) % 2 == 0 and b"\0" in data[:2]:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        return data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        raise PermanentError(f"{file} is not text in UTF-8 or UTF-16: {error}. Save it as UTF-8") from error


def written_names(text: str) -> list[str]:
    """Return the names in a list as they are written: one a line, or as JSON. Blank lines are left out."""
    try:
        return list(_names_in(json.loads(text)))
    except (ValueError, RecursionError):
        lines = (line.strip(" \t\ufeff") for line in _LINE_END.split(text))
        return [name for line in lines if line for name in _names_in_line(line)]


def resolve_names(
    written: Sequence[str], folder: str, existing: Collection[str], signals: Collection[str]
) -> tuple[str, ...]:
    """Return the files that the written names mean, each once, without marker and list files.

    A name that means no file is returned without quotes and `./`, so that people can be told of it. `folder`
    is the partition's folder with a final slash. `existing` are all names in that folder, relative to it.
    """
    composed = {unicodedata.normalize("NFC", name): name for name in existing if not name.isascii()}
    names = (_resolve(name, folder, existing, composed) for name in written)
    return tuple(dict.fromkeys(name for name in names if name and name not in signals))


def _resolve(written: str, folder: str, existing: Collection[str], composed: Mapping[str, str]) -> str:
    plain = _plain(written)
    for candidate in (written, *_readings(plain, folder)):
        if candidate in existing:
            return candidate
        if name := composed.get(unicodedata.normalize("NFC", candidate)):
            return name
    return plain


def _plain(written: str) -> str:
    for quote in ('"', "'"):
        if len(written) > 1 and written.startswith(quote) and written.endswith(quote):
            written = written[1:-1].replace(2 * quote, quote)
    return written.removeprefix("./").removeprefix(".\\")


def _readings(plain: str, folder: str) -> Iterator[str]:
    """Yield what a name may mean: as it is, with slashes, decoded, and relative to the partition's folder."""
    for name in (plain, plain.replace("\\", "/")):
        for reading in (name, unquote(name)):
            path = _path_of_url(reading) if "://" in reading else reading
            yield path.removeprefix("./").lstrip("/")
            before, found, inside = f"/{path}".partition(f"/{folder}")
            # An address also has the container before the partition's folder.
            if found and ("://" in reading or before.count("/") <= 1):
                yield inside
                yield unquote(inside)


def _path_of_url(url: str) -> str:
    """Return the path of an absolute address, decoded and without its signature."""
    try:
        return unquote(urlsplit(url).path)
    except ValueError:
        return url


def _names_in_line(line: str) -> Iterator[str]:
    """Yield the names in one line, which may be a line of azcopy's output as JSON or as text."""
    if line.startswith(("{", "[")):
        try:
            yield from _names_in(json.loads(line))
            return
        except (ValueError, RecursionError):
            pass
    match = _AZCOPY_LINE.fullmatch(line)
    yield match["name"] if match else line


def _names_in(value: Any) -> Iterator[str]:
    """Yield the names in JSON: texts, arrays, and objects as azcopy writes them. Raise ValueError for others.

    `azcopy list --output-type json` writes an object for each file, which is in `MessageContent` as JSON.
    """
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _names_in(item)
        case {"MessageType": kind, "MessageContent": content}:
            if kind == "ListObject":
                yield from _names_in(json.loads(content) if isinstance(content, str) else content)
        case dict():
            key = next((key for key in (*_NAMES, *_NAME) if key in value), None)
            if key is None:
                raise ValueError("an object without names")
            yield from _names_in(value[key])
        case _:
            raise ValueError("not a list of names")
