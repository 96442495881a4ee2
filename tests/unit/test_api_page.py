"""The API without Azure: its page, its description, and how it refuses."""

import re

import pytest
from tests.support.api_requests import Api, content
from tests.support.page_rows import a_version, an_activity

from tidegate.api.model_views import model_view
from tidegate.bootstrap import Service
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.lifecycle.records import Model
from tidegate.errors import ConfigError


def unusable() -> Service:
    raise ConfigError("tidegate.yml:7: feeds.digits.path: write folders with {yyyy} and {MM}")


@pytest.fixture(scope="module")
def api() -> Api:
    return Api(unusable)


@pytest.mark.parametrize(
    "path", ["/api/health", "/api/feeds", "/api/feeds/digits/partitions/202611", "/api/jobs"]
)
def test_while_the_configuration_is_bad_it_says_file_line_and_key(api: Api, path: str) -> None:
    response = api.get(path)

    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"]
    assert "tidegate.yml:7: feeds.digits.path" in content(response)["detail"]


def test_a_path_that_is_not_there_is_a_problem_that_points_at_the_page(api: Api) -> None:
    response = api.get("/api/nothing")

    assert response.status_code == 404
    assert "/api/docs" in content(response)["detail"]


def test_a_method_that_is_not_there_is_a_problem(api: Api) -> None:
    response = api.post("/api/feeds", {})

    assert response.status_code == 405
    assert response.headers["allow"] == "GET"


def test_the_page_loads_nothing_from_another_host(api: Api) -> None:
    page = api.get("/api/docs")

    assert page.status_code == 200
    assert not re.findall(rb"(?:https?:)?//[a-z]", page.get_body())
    assert "default-src 'self'" in page.headers["content-security-policy"]


def test_what_the_page_loads_is_there_and_takes_the_key_along(api: Api) -> None:
    page = api.get("/api/docs?code=secret").get_body().decode()
    loaded = re.findall(r'"(docs/[\w.-]+|openapi\.json)" \+ query', page)

    answers = {name: api.get(f"/api/{name}?code=secret").status_code for name in loaded}

    assert answers == dict.fromkeys(
        ["openapi.json", "docs/favicon-32x32.png", "docs/swagger-ui.css", "docs/swagger-ui-bundle.js"], 200
    )
    assert "secret" not in page


@pytest.mark.parametrize("name", ["main.py", "..%2Fmain.py", "__init__.py"])
def test_the_page_serves_no_other_file(api: Api, name: str) -> None:
    assert api.get(f"/api/docs/{name}").status_code == 404


def test_the_description_names_the_key_and_every_refusal(api: Api) -> None:
    described = content(api.get("/api/openapi.json"))

    rerun = described["paths"]["/api/feeds/{feed}/partitions/{partition}/jobs"]["post"]
    assert described["components"]["securitySchemes"]["functionKey"]["name"] == "x-functions-key"
    assert set(rerun["responses"]) == {"202", "400", "401", "404", "409", "413", "422", "503"}
    assert {parameter["name"] for parameter in rerun["parameters"]} == {
        "feed",
        "partition",
        "Idempotency-Key",
    }


def test_the_description_has_names_of_our_own_and_refusals_as_they_are_answered(api: Api) -> None:
    described = content(api.get("/api/openapi.json"))

    schemas = described["components"]["schemas"]
    assert {"PartitionVersionView", "ModelVersionView"} <= schemas.keys()
    assert not [name for name in schemas if "__" in name or "ValidationError" in name]
    refusals = {
        (path, status): list(response["content"])
        for path, methods in described["paths"].items()
        for route in methods.values()
        for status, response in route["responses"].items()
        if status not in ("200", "202", "401")
    }
    assert {media_type for kinds in refusals.values() for media_type in kinds} == {"application/problem+json"}
    assert {path for path, status in refusals if status == "422"} == set(described["paths"])


def test_model_with_many_activities_shows_the_newest_and_counts_all() -> None:
    oldest_first = [an_activity(number, model_subject("many")) for number in range(130)]

    view = model_view(Model(model="many"), None, [a_version("many", "7")], 7, oldest_first)

    assert [activity.id for activity in view.activities] == [row.short_id for row in oldest_first[30:]]
    assert (view.versions_count, view.activities_count) == (7, 130)
