"""List files as many programs write them: which files they mean."""

import codecs
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.partitions.list_files import decode_list, resolve_names, written_names
from tidegate.errors import PermanentError

GLASS = "ガラス.png"
DECOMPOSED = unicodedata.normalize("NFD", GLASS)
NAMES = ["a.png", "sub/b.png", "c d.png", "100%.png", DECOMPOSED, "it's.png", "e,f.png"]


def meant(data: bytes, folder: str = "in/202611/", signals: tuple[str, ...] = ("files.txt",)) -> list[str]:
    return list(resolve_names(written_names(decode_list(data, "files.txt")), folder, set(NAMES), signals))


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("a.png\nsub/b.png\n", ["a.png", "sub/b.png"]),
        ("a.png\r\n\r\nsub\\b.png\r\n", ["a.png", "sub/b.png"]),
        ("a.png\rsub/b.png", ["a.png", "sub/b.png"]),
        ("  ./a.png\t\n.\\sub\\b.png\n/c d.png", ["a.png", "sub/b.png", "c d.png"]),
        ("\"a.png\"\n'sub/b.png'\nit's.png", ["a.png", "sub/b.png", "it's.png"]),
        ("c%20d.png\n100%.png\n100%25.png\nsub%2Fb.png", ["c d.png", "100%.png", "sub/b.png"]),
        (GLASS, [DECOMPOSED]),
        (DECOMPOSED, [DECOMPOSED]),
        ("%E3%82%AC%E3%83%A9%E3%82%B9.png", [DECOMPOSED]),
        (
            "in/202611/a.png\n/in/202611/sub/b.png\nimages/in/202611/c d.png",
            ["a.png", "sub/b.png", "c d.png"],
        ),
        ("https://st.blob.core.windows.net/images/in/202611/c%20d.png?sv=1&sig=a%2Fb", ["c d.png"]),
        ("https://st.blob.core.windows.net/images/in/202611/100%25.png", ["100%.png"]),
        ("a.png\na.png\nfiles.txt\n", ["a.png"]),
        ('["a.png", "./sub/b.png"]', ["a.png", "sub/b.png"]),
        ('{"Files": ["a.png", "sub\\\\b.png"]}', ["a.png", "sub/b.png"]),
        ('{"name": "a.png"}\n{"name": "sub/b.png"}\n', ["a.png", "sub/b.png"]),
        ("a.png; Content Length: 1.00 KiB\nINFO: c d.png;  Content Length: 2.00 B", ["a.png", "c d.png"]),
        ("a.png\nmissing.png\n./gone.png", ["a.png", "missing.png", "gone.png"]),
        ("", []),
        (" \n", []),
    ],
)
def test_a_list_means_these_files(text: str, files: list[str]) -> None:
    assert meant(text.encode()) == files


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
        lambda text: text.encode("utf-32"),
    ],
)
def test_a_list_in_unicode_is_read(encode: object) -> None:
    assert meant(encode(f"a.png\r\n{GLASS}\r\n")) == ["a.png", DECOMPOSED]  # type: ignore[operator]


def test_the_output_of_azcopy_list_is_read() -> None:
    def line(kind: str, content: object) -> str:
        time = "2026-11-05T00:00:00.000000001Z"
        return json.dumps({"TimeStamp": time, "MessageType": kind, "MessageContent": json.dumps(content)})

    files = [{"Path": name, "ContentLength": "1.00 KiB"} for name in ("a.png", "sub/b.png")]
    lines = [
        line("Info", "INFO: listing"),
        *(line("ListObject", file) for file in files),
        line("EndOfJob", ""),
    ]

    assert meant("\n".join(lines).encode()) == ["a.png", "sub/b.png"]


def test_a_list_in_another_encoding_is_refused_with_its_name() -> None:
    with pytest.raises(PermanentError, match=r"files\.txt is not text in UTF-8 or UTF-16"):
        decode_list("ガラス.png".encode("cp932"), "files.txt")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)))
def test_a_name_as_it_is_written_comes_first(names: list[str]) -> None:
    written = [name for name in names if name.strip()]

    assert resolve_names(written, "202611/", set(written), ()) == tuple(dict.fromkeys(written))
