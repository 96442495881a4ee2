"""The pages, asked over HTTP in this process: what they show, whom they let in, and what they never do."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support import config_yaml
from tests.support.clock import Clock
from tests.support.hostile_names import HOSTILE
from tests.support.page_rows import (
    NOW,
    POLICY,
    a_partition,
    a_version,
    an_activity,
    an_estate,
    insert_partitions,
    insert_versions,
    save_all,
)
from tests.support.pages import HOST, Pages, count, principal_headers
from tests.support.service import start_service

from tidegate.bootstrap import Service
from tidegate.domain.lifecycle.records import Model
from tidegate.domain.overview import Need

if TYPE_CHECKING:
    from tidepool.cloud import Tidepool

EVERY_PAGE = (
    "/feeds/digits",
    "/feeds/digits?only=failed",
    "/feeds/digits/backfills",
    "/feeds/digits/partitions/202609",
    "/feeds/digits/partitions/202611",
    "/models",
    "/models/classifier",
    "/models/classifier/versions/3",
    "/models/classifier/versions/4",
    "/models/classifier/compare?a=2&b=4",
    "/jobs?all=true",
    "/jobs/development/judge-classifier-4",
    "/failures?all=true",
    "/dead-letters",
    "/pauses",
    "/activities",
    "/search?q=",
)


def _service(tidepool: "Tidepool", folder: Path) -> Service:
    account = tidepool.create_storage_account().name
    feeds = {
        "digits": config_yaml.a_feed(account, deadline={"day": 5, "at": "06:00"}),
        "tills": config_yaml.a_feed(account, path="tills/{yyyy}-{MM}-{dd}/", starts=20261101),
    }
    values = {**config_yaml.values(**feeds), "timezone": "Europe/Berlin", "models": {"classifier": POLICY}}
    values["access"] = {
        "reader": ["reader", "0c5f-group"],
        "operator": ["operator"],
        "approver": ["approver"],
    }
    return start_service(account, config_yaml.write(folder, values), Clock(), authenticated=True)


@pytest.fixture(scope="module")
def estate(tidepool: "Tidepool", tmp_path_factory: pytest.TempPathFactory) -> Service:
    """Return a service with something of each kind in its ledger, which no test of the module changes."""
    service = _service(tidepool, tmp_path_factory.mktemp("estate"))
    an_estate(service)
    return service


@pytest.fixture
def pages(estate: Service) -> Iterator[Pages]:
    return Pages(lambda: estate, "reader")


@pytest.mark.parametrize("need", list(Need))
def test_number_on_the_first_screen_is_that_of_the_rows_behind_its_link(pages: Pages, need: Need) -> None:
    first = pages.page("/")
    behind = pages.page(f"/needs/{need.value}")

    rows = behind.css(f'[data-rows="{need.value}"] > li')

    assert count(first, need.value) == count(behind, need.value) == len(rows)
    assert len(rows) == (0 if need is Need.UNDELIVERED else 1)


def test_what_is_over_needs_no_person(pages: Pages) -> None:
    text = pages.page("/needs/failures").text()

    assert "CheckPartition digits 202609 failed" in text
    assert "Replayed long ago" not in text


def test_failed_rerun_of_a_published_partition_says_both(pages: Pages) -> None:
    text = pages.page("/needs/failed").text()

    assert "the step score ran out of memory" in text
    assert "202609-1-g1 still" in text


def test_filter_shows_only_what_it_names(pages: Pages) -> None:
    def cells(path: str) -> list[str]:
        return [str(cell.attributes["href"]) for cell in pages.page(path).css("a.cell")]

    assert cells("/?only=failed") == ["/feeds/digits/partitions/202609"]
    assert cells("/?only=late") == ["/feeds/digits/partitions/202610"]
    assert cells("/?only=missing") == [f"/feeds/tills/partitions/202611{day}" for day in range(10, 21)]
    assert len(cells("/")) == 11 + 12


def test_times_have_the_offset_of_their_date(pages: Pages) -> None:
    times = {str(node.attributes["datetime"]): node.text() for node in pages.page("/").css("time")}

    assert times["2026-11-21T02:10:00Z"] == "2026-11-21 03:10 +01:00"


def test_person_without_a_session_is_sent_to_sign_in_and_back(estate: Service) -> None:
    answer = Pages(lambda: estate).get("/?only=late")

    assert answer.status_code == 302
    assert answer.headers["location"] == "/.auth/login/aad?post_login_redirect_uri=%2F%3Fonly%3Dlate"


def test_part_of_a_page_says_that_the_session_is_over_and_never_shows_the_sign_in(estate: Service) -> None:
    answer = Pages(lambda: estate).get("/", HX_Request="true")

    assert answer.status_code == 401
    assert "your session is over" in answer.text
    assert "location" not in answer.headers


def test_group_of_the_configuration_may_read(estate: Service) -> None:
    assert Pages(lambda: estate, "0c5f-group").get("/").status_code == 200


def test_person_without_a_role_reads_which_role_is_missing_and_who_gives_it(estate: Service) -> None:
    answer = Pages(lambda: estate, "something-else").get("/")

    assert answer.status_code == 403
    assert "without the role reader" in answer.text
    assert "access.reader in tidegate.yml" in answer.text
    assert "digits" not in answer.text


def test_headers_count_only_while_authentication_is_on(tidepool: "Tidepool", tmp_path: Path) -> None:
    account = tidepool.create_storage_account().name
    service = start_service(account, config_yaml.write(tmp_path, config_yaml.values()), Clock())

    answer = Pages(lambda: service, "reader", "operator", "approver").get("/")

    assert answer.status_code == 403
    assert "authentication is off" in answer.text


def test_every_page_has_the_headers_that_protect_it(estate: Service, pages: Pages) -> None:
    for answer in (pages.get("/"), pages.get("/nothing"), Pages(lambda: estate).get("/")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["strict-transport-security"]
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"


def test_pages_have_nothing_inline_and_nothing_from_another_host(pages: Pages) -> None:
    for path in ("/", "/needs/failed", *EVERY_PAGE):
        page = pages.page(path)
        assert not page.css("style, [style], script:not([src]), [onclick], [onload]")
        for node in page.css("script, link, img"):
            address = str(node.attributes.get("src") or node.attributes.get("href"))
            assert address.startswith("/static/"), address
            assert pages.get(address).status_code == 200


@pytest.mark.parametrize("path", ["/", "/search?q=202609", *EVERY_PAGE])
def test_no_page_shows_anything_to_a_person_without_a_session(estate: Service, path: str) -> None:
    answer = Pages(lambda: estate).get(path)

    assert answer.status_code == 302
    assert answer.text == ""


def test_every_link_of_a_page_shows_its_target(pages: Pages) -> None:
    seen: set[str] = set()
    for path in ("/", *EVERY_PAGE):
        for link in pages.page(path).css("main a[href^='/']:not([download]), header a[href^='/']"):
            seen.add(str(link.attributes["href"]))

    links = sorted(link for link in seen if not link.startswith("/.auth/"))
    assert len(links) > 40
    assert [link for link in links if pages.get(link).status_code != 200] == []


def test_partition_page_shows_the_failure_and_the_result_that_is_published_still(pages: Pages) -> None:
    page = pages.page("/feeds/digits/partitions/202609")

    failure = page.css_first("[data-part=failure]").text()
    assert "202609-1-g2 failed" in failure
    assert "the step score ran out of memory" in failure
    assert "published result is 202609-1-g1 still" in _plain(failure)
    assert page.css_first("[data-part=csv]").text() == "https://st.blob.core.windows.net/a.csv"
    assert "2 files do not match `*.png`: notes.txt, <b>.txt." in page.text()


def test_partition_whose_rerun_succeeded_shows_no_old_error(pages: Pages) -> None:
    assert not pages.page("/feeds/digits/partitions/202608").css("[data-part=failure]")


@pytest.mark.parametrize(
    ("typed", "target"),
    [
        ("202609", "/feeds/digits/partitions/202609"),
        ("  '202609-1-g1' ", "/feeds/digits/partitions/202609"),
        ("\u201cclassifier:3\u201d", "/models/classifier/versions/3"),
        ("judge-classifier-4\n", "/jobs/development/judge-classifier-4"),
        ("digits", "/feeds/digits"),
        ("20261105", "/feeds/tills/partitions/20261105"),
    ],
)
def test_search_finds_a_pasted_id_with_blanks_and_quotes(pages: Pages, typed: str, target: str) -> None:
    answer = pages.http.get("/search", params={"q": typed})

    assert (answer.status_code, answer.headers["location"]) == (303, target)


def test_search_finds_a_failure_and_says_if_nothing_is_found(estate: Service, pages: Pages) -> None:
    [failure] = estate.replays.failures(replayed=False)

    assert pages.get(f"/search?q={failure.short_id}").headers["location"] == f"/failures/{failure.short_id}"
    assert pages.get("/search?q=nothing-of-this-name").status_code == 404


def test_failure_that_is_over_says_so(estate: Service, pages: Pages) -> None:
    over = next(row for row in estate.replays.failures(replayed=True) if row.replayed_at)

    assert pages.page(f"/failures/{over.short_id}").css("[data-part=replayed]")


def test_reader_has_no_button(pages: Pages) -> None:
    for path in EVERY_PAGE:
        forms = pages.page(path).css("form[method=post]")
        assert [form for form in forms if form.css("button")] == [], path


def test_large_body_is_refused(pages: Pages) -> None:
    answer = pages.http.post("/", content=b"x" * 70_000)

    assert answer.status_code == 413


def test_hostile_names_are_text(tidepool: "Tidepool", tmp_path: Path) -> None:
    service = _service(tidepool, tmp_path)
    for number, name in enumerate(HOSTILE):
        activity = an_activity(number, title=name, text=name, kind="work.failed", data={"command": {}})
        save_all(service, [activity, Model(model=name), a_version(name, str(number))])
        service.ledger.list_activity(activity)
    pages = Pages(lambda: service, "reader")

    for path in ("/", "/needs/failures", "/?only=failed"):
        page = pages.page(path)
        assert not page.css("script:not([src]), img, [onfocus], [onerror]")
        assert path.startswith("/?") or all(_plain(name) in _plain(page.text()) for name in HOSTILE[:5])


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_empty_installation_says_so(tidepool: "Tidepool", tmp_path: Path) -> None:
    text = Pages(lambda: _service(tidepool, tmp_path), "reader").page("/").text()

    assert "Nothing needs a person now" in text
    assert "No job runs" in text
    assert "Nothing has happened yet" in text


def test_first_screen_reads_the_same_however_many_partitions_there_are(
    tidepool: "Tidepool", estate: Service, pages: Pages
) -> None:
    before = tidepool.last_request
    pages.page("/")

    host = f"{estate.settings.storage_account}.table."
    assert len(tidepool.find_requests(host=host, after=before)) <= 9 + len(estate.config().feeds)


def test_hundreds_of_partitions_are_shown_page_by_page_and_change_no_number_of_reads(
    tidepool: "Tidepool", tmp_path: Path
) -> None:
    service = _service(tidepool, tmp_path)
    service.ledger.create()
    day, days = date(2026, 11, 21), []
    for number in range(300):
        days.append(f"{day - timedelta(days=number):%Y%m%d}")
    records = [a_partition(name, "failed" if name == "20260401" else "scored", "tills") for name in days]
    insert_partitions(service, records)
    pages = Pages(lambda: service, "reader")

    before = tidepool.last_request
    first = pages.page("/")
    reads = tidepool.find_requests(host=f"{service.settings.storage_account}.table.", after=before)
    shown, path = [], "/feeds/tills"
    while path:
        page = pages.page(path)
        shown += [str(cell.attributes["href"]).rpartition("/")[2] for cell in page.css("a.cell")]
        following = page.css_first("a[rel=next]")
        path = str(following.attributes["href"]) if following else ""

    assert len(reads) <= 9 + len(service.config().feeds)
    assert count(first, "failed") == 1  # it is older than the newest twelve
    assert len(shown) == len(set(shown)) == 300
    assert count(pages.page("/feeds/tills?only=failed"), "partitions") == 1


@pytest.mark.long
@pytest.mark.timeout(600)
def test_ten_thousand_versions_of_a_model_are_shown_page_by_page(
    tidepool: "Tidepool", tmp_path: Path
) -> None:
    service = _service(tidepool, tmp_path)
    service.ledger.create()
    names = [str(number) for number in range(1, 10_001)]
    registered = {name: NOW - timedelta(minutes=10_001 - int(name)) for name in names}
    retired = [a_version("classifier", name, "retired", registered_at=registered[name]) for name in names]
    insert_versions(service, retired)
    pages = Pages(lambda: service, "reader")

    first = pages.page("/models/classifier")
    second = pages.page(str(first.css_first("a[rel=next]").attributes["href"]))
    shown = [row.text() for page in (first, second) for row in page.css("tbody th")]

    assert count(first, "versions") == 10_000
    assert shown == names[:-101:-1]
    assert "classifier" in pages.page("/").text()


def test_pages_do_not_take_a_name_from_a_header_without_a_principal(estate: Service) -> None:
    pages = Pages(lambda: estate)
    headers = principal_headers("mallory", "approver")

    answer = pages.http.get(f"{HOST}/", headers={"X-MS-CLIENT-PRINCIPAL": headers["X-MS-CLIENT-PRINCIPAL"]})

    assert answer.status_code == 302
