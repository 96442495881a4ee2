"""Route templates of HTTP triggers."""

import pytest

from tidepool.functions.routes import parse_route

GET = frozenset({"GET"})


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("api/hello", "/api/hello", {}),
        ("api/hello", "/API/Hello/", {}),
        ("api/hello", "/api/hello/x", None),
        ("api/{name}", "/api/bob", {"name": "bob"}),
        ("api/{name}", "/api/a%2Fb%20c", {"name": "a/b c"}),
        ("api/{name}", "/api/", None),
        ("api/{name?}", "/api", {}),
        ("api/{id:int}", "/api/12", {"id": "12"}),
        ("api/{id:int}", "/api/x12", None),
        ("api/{id:int?}", "/api/7", {"id": "7"}),
        (
            "api/{id:guid}",
            "/api/6f9619ff-8b86-d011-b42d-00cf4fc964ff",
            {"id": "6f9619ff-8b86-d011-b42d-00cf4fc964ff"},
        ),
        ("{*path}", "/", {"path": ""}),
        ("{*path}", "/a/b/c", {"path": "a/b/c"}),
        ("api/{*path}", "/api", {}),
        ("api/{*path}", "/api/a/b", {"path": "a/b"}),
        ("api/{*path}", "/apiary", None),
        ("files/{name}.{ext}", "/files/a.txt", {"name": "a", "ext": "txt"}),
    ],
)
def test_match(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert parse_route("f", template, GET).match("GET", path) == expected


def test_a_method_that_is_not_served_finds_nothing() -> None:
    assert parse_route("f", "x", GET).match("POST", "/x") is None
    assert parse_route("f", "x", frozenset()).match("POST", "/x") == {}


def test_literal_segments_win_over_parameters_and_those_over_the_rest() -> None:
    templates = ["{*path}", "a/{name}", "a/{id:int}", "a/b", "a/{*path}"]

    ranked = sorted(templates, key=lambda template: parse_route("f", template, GET).rank)

    assert ranked == ["a/b", "a/{id:int}", "a/{name}", "a/{*path}", "{*path}"]


def test_an_unknown_constraint_is_refused() -> None:
    with pytest.raises(ValueError, match="does not know the route constraint 'range\\(1,2\\)'"):
        parse_route("f", "a/{id:range(1,2)}", GET)
