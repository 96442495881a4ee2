"""A person at the page, in a real browser, who knows only what it shows. The service runs in Tidepool."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import Watched, chromium
from tests.support.hostile_names import HOSTILE
from tests.support.installation import Installation
from tests.support.page_rows import a_partition, a_version, an_activity, save_all
from tests.support.promotions import POLICY
from tests.support.records import a_job
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.lifecycle.records import Model
from tidegate.messages.commands import CheckPartition
from tidegate.service.manual_actions.pause import PauseRequest
from tidegate.service.manual_actions.requester import Requester
from tidepool.functions.front_end import Person, sign_in_url

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.installation import Running
    from tidepool.cloud import Tidepool

NAME = "aiko@contoso.com"
CHECK = CheckPartition(cause="test", feed="stories", partition="209903").model_dump(mode="json")
JUDGED = "judge-sorter-7"
PNG = bytes.fromhex(  # one pixel
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b5500"
    "00000a49444154789c636800000082008177cd72b60000000049454e44ae426082"
)
MORE_PAGES = (
    "/feeds/stories",
    "/feeds/stories/partitions/209912",
    "/feeds/stories/backfills",
    "/models/classifier",
    "/models/classifier/versions/4",
    "/jobs?all=true",
    "/failures",
    "/pauses",
)
MONTHS = tuple(f"2099{month:02}" for month in range(1, 13))


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def running(
    browser: "Browser", tidepool: "Tidepool", tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Running]":
    """Yield a running service with hostile names in its ledger, and something that waits for a person."""
    installation = Installation(
        tidepool,
        tmp_path_factory.mktemp("page"),
        models={"classifier": POLICY, "sorter": POLICY},
        starts=209901,
    )
    with installation.start() as running:
        failures = [
            an_activity(
                number, "stories:209903", kind="work.failed", title=name, text=name, data={"command": CHECK}
            )
            for number, name in enumerate(HOSTILE)
        ]
        save_all(
            running.service,
            [
                *(a_partition(month, feed="stories") for month in MONTHS[:-1]),
                a_partition(MONTHS[-1], "failed", feed="stories"),
                a_version("classifier", "4", judged_at=running.service.now()),
                a_version("sorter", "7", judged_at=running.service.now()),
                a_job(name=JUDGED, subject="sorter:7", kind="evaluation", status="Completed"),
                *(Model(model=name) for name in HOSTILE),
                *failures,
            ],
        )
        running.service.development.runs.attach(JUDGED, "sorter", "confusion_matrix.png", PNG)
        for failure in failures:
            running.service.ledger.list_activity(failure)
        yield running


@pytest.fixture
def person(browser: "Browser", running: "Running") -> Iterator[Watched]:
    """Yield the page of a person who is signed in as operator and approver, and check what was not seen."""
    with browser.new_context() as context:
        watched = Watched(context.new_page(), running.site.url)
        watched.page.goto(sign_in_url(running.site.url, Person(NAME, ["operator", "approver"])))
        yield watched
        assert watched.errors == []
        assert watched.foreign == []


def test_person_signs_in_and_lands_where_they_wanted_to_go(browser: "Browser", running: "Running") -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{running.site.url}/jobs?all=true")
        page.get_by_label("Name").fill(NAME)
        page.get_by_label("approver").check()
        page.get_by_role("button", name="Sign in").click()

        assert page.url == f"{running.site.url}/jobs?all=true"
        assert page.get_by_text(NAME).is_visible()


def test_person_finds_and_approves_a_model(person: Watched, running: "Running") -> None:
    page = person.page
    page.get_by_role("link", name="classifier:4").first.click()
    page.get_by_text("Approve …").click()
    page.locator("details[open]").get_by_label("Reason").fill("better at night")
    page.get_by_role("button", name="Approve").click()

    page.get_by_text("classifier:4 is approved").wait_for()
    assert page.url.endswith("/models/classifier/versions/4")  # without a reload
    assert _approved(running, "classifier") == [f"{NAME} approved classifier:4"]


def _approved(running: "Running", model: str) -> list[str]:
    """Return who approved versions of a model."""
    activities = running.service.ledger.activities(model_subject(model))
    return [activity.title for activity in activities if activity.kind == "model.approved"]


def test_approver_sees_the_pictures_of_the_evaluation(person: Watched) -> None:
    person.open("/models/sorter/versions/7")
    picture = person.page.get_by_role("img", name="confusion matrix")
    picture.scroll_into_view_if_needed()

    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1


def test_person_approves_replays_and_checks_a_backfill_by_keyboard(
    person: Watched, running: "Running"
) -> None:
    keyboard = person.page.keyboard
    person.tab_to("sorter:7")
    keyboard.press("Enter")
    person.page.wait_for_url("**/models/sorter/versions/7")
    person.tab_to("Approve …")
    keyboard.press("Enter")
    person.tab_to("Reason")
    keyboard.type("by keyboard")
    person.tab_to("Approve")
    keyboard.press("Enter")
    person.page.get_by_text("sorter:7 is approved").wait_for()

    person.open("/failures")
    person.tab_to(HOSTILE[0])
    keyboard.press("Space")  # chooses it
    person.tab_to("Replay …")
    keyboard.press("Enter")
    person.tab_to("Replay")
    keyboard.press("Enter")
    person.page.get_by_text("1 of 1 are replayed").wait_for()

    person.open("/feeds/stories/backfills")
    for label, text in (("Range", "209901..209903"), ("Reason", "by keyboard")):
        person.tab_to(label)
        keyboard.type(text)
    person.tab_to("only say what it would do", backwards=True)
    keyboard.press("Space")
    person.tab_to("Start")
    keyboard.press("Enter")
    person.page.get_by_text("Nothing was changed").wait_for()
    assert _approved(running, "sorter") == [f"{NAME} approved sorter:7"]


def test_person_replays_a_failure(person: Watched, running: "Running") -> None:
    page = person.page
    page.get_by_role("link", name="Failed work").click()
    page.locator("[data-rows=failures] a").last.click()
    page.get_by_text("Replay …").click()
    page.get_by_role("button", name="Replay").click()

    page.get_by_text("1 of 1 are replayed").wait_for()
    assert any(failure.replayed_by == NAME for failure in running.service.replays.failures(replayed=True))


@pytest.fixture
def paused(running: "Running") -> Iterator[None]:
    """Pause the feed, so that its work lasts."""
    pauses, tester = running.service.pauses, Requester("the test", "entra")
    pauses.pause(PauseRequest(target="feed:stories", reason="so that it lasts"), tester)
    yield
    pauses.resume("feed:stories", tester)


@pytest.mark.usefixtures("paused")
def test_person_starts_and_cancels_a_backfill(person: Watched, running: "Running") -> None:
    page = person.page
    page.get_by_role("link", name="stories", exact=True).click()
    page.get_by_role("link", name="Backfills").click()
    page.get_by_role("textbox", name="Range").fill("209901..209903")
    page.get_by_role("textbox", name="Reason").fill("a better model")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("link", name="Progress").click()
    page.get_by_text("Cancel …").click()
    page.get_by_role("button", name="Cancel the backfill").click()

    page.get_by_text("is cancelled").wait_for()
    [backfill] = running.service.ledger.backfills("stories")
    assert [change.by for change in backfill.changes] == [NAME]


def test_press_after_the_session_is_over_is_not_done_and_keeps_the_text(
    person: Watched, running: "Running"
) -> None:
    page = person.page
    person.open("/feeds/stories")
    page.get_by_text("Pause …").click()
    page.get_by_label("Reason").fill("new cameras")
    page.context.clear_cookies()
    page.get_by_role("button", name="Pause").click()

    page.get_by_text("Not done: your session is over").wait_for()
    assert page.get_by_label("Reason").input_value() == "new cameras"
    assert page.get_by_text("Sign in to Tidepool").count() == 0
    assert running.service.pauses.pauses() == []
    assert [error for error in person.errors if "401" not in error] == []
    person.errors.clear()


def test_page_works_without_scripts(browser: "Browser", running: "Running") -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(sign_in_url(running.site.url, Person(NAME, ["operator"]), "/feeds/stories"))
        page.get_by_text("Pause …").click()
        page.get_by_label("Reason").fill("without scripts")
        page.get_by_role("button", name="Pause").click()
        assert page.get_by_text("feed:stories is paused").is_visible()

        page.goto(f"{running.site.url}/pauses")
        page.get_by_text("Resume …").click()
        page.get_by_role("button", name="Resume").click()
        assert page.get_by_text("feed:stories goes on").is_visible()


@pytest.mark.parametrize("paths", [("/",), pytest.param(MORE_PAGES, marks=pytest.mark.long)])
def test_pages_are_accessible_in_light_and_dark_and_fit_a_phone(
    person: Watched, paths: tuple[str, ...]
) -> None:
    page = person.page
    for path in paths:
        page.emulate_media(color_scheme="light")
        person.open(path)
        assert person.serious_findings() == [], path
        page.emulate_media(color_scheme="dark")
        assert person.serious_findings() == [], f"{path}, dark"
    page.set_viewport_size({"width": 360, "height": 740})
    for path in paths:
        person.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        assert person.serious_findings() == [], f"{path}, on a phone"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"


def test_first_screen_renews_itself_and_stays_if_it_cannot(person: Watched) -> None:
    page = person.page
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        page.evaluate("document.querySelector('#overview').title = 'old'; htmx.trigger('#overview', 'renew')")
    page.locator("#overview:not([title])").wait_for()
    page.context.clear_cookies()
    page.evaluate("htmx.trigger('#overview', 'renew')")

    page.get_by_text("Not renewed: your session is over").wait_for()
    assert page.get_by_role("heading", name="Newest partitions").is_visible()
    assert [error for error in person.errors if "401" not in error] == []
    person.errors.clear()
