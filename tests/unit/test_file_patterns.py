"""The patterns of `only`: which names they match, and which patterns are refused."""

import pytest

from tidegate.config.file_patterns import FilePatterns


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ("*", "a.png sub/b.png .hidden a//b.png /c.png"),
        ("*.jpg", "a.jpg b.JPG c.Jpg sub/d.jpg a//b.jpg"),
        ("**/*.jpg", "root1.jpg day1/in.jpg day1/x/y.JPG"),
        ("day1/*.jpg", "day1/in.jpg DAY1/in.jpg"),
        ("day1/**/*.jpg", "day1/in.jpg day1/x/y.jpg"),
        (["*.jpg", "*.png"], "a.jpg b.PNG sub/c.png"),
        ("scan?[ab].tif", "scan1a.tif sub/scan2B.TIF"),
        ("*.JPG", "a.jpg"),
    ],
)
def test_names_that_match(patterns: str | list[str], names: str) -> None:
    assert [name for name in names.split() if not FilePatterns.parse(patterns).match(name)] == []


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ("*.jpg", "d.jpeg a.jpg.tmp a.jpg/x"),
        ("day1/*.jpg", "in.jpg day1/x/y.jpg x/day1/in.jpg"),
        (["*.jpg", "*.png"], "notes.txt jpg"),
        ("scan?[ab].tif", "scan1c.tif scana.tif"),
    ],
)
def test_names_that_do_not_match(patterns: str | list[str], names: str) -> None:
    assert [name for name in names.split() if FilePatterns.parse(patterns).match(name)] == []


@pytest.mark.parametrize(
    "pattern",
    ["*.{jpg,png}", "", "/a.jpg", "a\\b.jpg", "!*.jpg", "sub/", "a//b.jpg", "../*.jpg", "[ab.jpg", ["*", 5]],
)
def test_a_pattern_that_would_match_nothing_is_refused_with_what_is_allowed(pattern: object) -> None:
    with pytest.raises(ValueError, match=r"would match nothing|write a pattern such as"):
        FilePatterns.parse(pattern)
