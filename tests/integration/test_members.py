"""The members of a model set over HTTP: found by key and state, in pages, and only from intact files."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml import load_component, load_environment
from azure.ai.ml.entities import Model
from mlflow import MlflowClient
from mlflow.exceptions import RestException
from model_sets.index import IndexRow
from model_sets.info import SetInfo
from tests.support.api_requests import Api, content
from tests.support.hand_made_sets import SET_POLICY, write_set_folder
from tests.support.hostile_names import JAPANESE, MARKUP
from tests.support.installation import ROOT
from tests.support.model_sets import seasonal_content, write_small_set
from tests.support.model_versions import ModelInstallation
from tests.support.pages import Pages

from tidegate.domain.lifecycle.records import Champion, ModelVersion
from tidegate.domain.lifecycle.records import Model as ModelRecord
from tidegate.errors import PermanentError
from tidegate.messages.commands import AnyCommand, Reconcile, RegisterMembers
from tidepool.cloud import Tidepool

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

SALES = "sales"


class Sets:
    """An installation with versions of a set, and the API of its service."""

    def __init__(self, installation: ModelInstallation, folder: Path) -> None:
        self.installation, self.folder = installation, folder
        self.service = installation.service()
        self.api = Api(lambda: self.service)

    def register(
        self, version: str, rows: list[dict[str, Any]], name: str = SALES, damage: str = "", **tags: str
    ) -> None:
        folder = write_set_folder(self.folder / f"{name}-{version}", rows)
        (folder / "shards").mkdir(exist_ok=True)
        (folder / "shards" / "00.zip").write_bytes(b"")
        if damage:
            content = bytearray((folder / damage).read_bytes())
            content[len(content) // 2] ^= 1
            (folder / damage).write_bytes(content)
        model = Model(name=name, version=version, path=folder, type="mlflow_model", tags=tags)
        self.installation.ml.models.create_or_update(model)
        now = self.service.now()
        self.service.ledger.save(ModelVersion(model=name, version=version, registered_at=now))

    def get(self, path: str) -> Any:
        answer = self.api.get(f"/api/models/{path}")
        assert answer.status_code == 200, answer.get_body()
        return content(answer)


@pytest.fixture(scope="module")
def sets(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> Sets:
    folder = tmp_path_factory.mktemp("sets")
    installation = ModelInstallation(tidepool, folder)
    each = {**SET_POLICY, "set": {**SET_POLICY["set"], "register": "each"}}
    installation.configure(models={SALES: SET_POLICY, "broken": SET_POLICY, "each": each})
    sets = Sets(installation, folder)
    rows = [
        {"store": f"{store:03}", "product": str(product), "mae": 1.5, "rows": 90}
        for store in range(5)
        for product in range(4)
    ]
    rows[7] |= {"state": "failed", "mae": None, "reason": "the target is constant"}
    sets.register("1", rows[:8])
    sets.register("2", rows)
    champion = Champion(version="2", source="2", since=sets.service.now(), by="verdict e1")
    record = sets.service.ledger.model(SALES)
    sets.service.ledger.save(record.model_copy(update={"champion": champion}))
    return sets


def test_members_of_the_champion_come_in_pages(sets: Sets) -> None:
    path, rows, links = f"/api/models/{SALES}/members?limit=7", [], []
    while path:
        answer = sets.api.get(path)
        rows += content(answer)
        link = answer.headers.get("Link", "")
        path = link.partition(">")[0].removeprefix("<")
        links.append(path)

    assert len(links) == 3
    assert [row["key"] for row in rows] == [
        {"store": f"{store:03}", "product": str(product)} for store in range(5) for product in range(4)
    ]
    assert {row["version"] for row in rows} == {"2"}


def test_members_are_found_by_key_and_state(sets: Sets) -> None:
    [failed] = sets.get(f"{SALES}/members?state=failed&where=store%3D001")
    nothing = sets.get(f"{SALES}/members?where=store%3D1")
    by_text = sets.get(f"{SALES}/members?text=02&text=3")
    history = sets.get(f"{SALES}/keys?where=store%3D001&where=product%3D3")

    assert failed["reason"] == "the target is constant"
    assert failed["metrics"] == {"mae": None, "rmse": None, "mape": None, "wape": None}
    assert nothing == []
    assert [row["key"] for row in by_text] == [{"store": "002", "product": "3"}]
    assert [(row["version"], row["state"]) for row in history] == [("2", "failed"), ("1", "failed")]


def test_page_of_ten_thousand_members_is_searched_and_paged(sets: Sets) -> None:
    names = [f"{number:03}" for number in range(98)] + [JAPANESE, MARKUP]
    sets.register(
        "4",
        [
            {"store": store, "product": str(product), "mae": product / 10, "champion_mae": 5.0, "rows": 90}
            | ({"state": "failed", "mae": None, "reason": MARKUP} if (store, product) == ("007", 7) else {})
            for store in names
            for product in range(100)
        ],
    )
    pages = Pages(
        lambda: replace(sets.service, settings=replace(sets.service.settings, authenticated=True)), "reader"
    )

    def keys(page: Any) -> list[tuple[str, ...]]:
        return [tuple(cell.text() for cell in row.css("td")[:2]) for row in page.css("[data-rows] tr")]

    path = f"/models/{SALES}/members?version=4"
    first = pages.page(path)
    second = pages.page(str(first.css_first("a[rel=next]").attributes["href"]))
    failed = pages.page(f"{path}&state=failed")

    assert len({*keys(first), *keys(second)}) == 200
    assert keys(failed) == [("007", "7")]
    assert MARKUP in failed.text()
    assert len(keys(pages.page(f"{path}&q=品川, product=7"))) == 1
    assert keys(pages.page(f"{path}&q=no such key")) == []
    assert len(first.css(".histogram path")) == 2
    assert not first.css("img, script:not([src])")


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("members?where=shop%3D1", 422, "write store=... or product=..."),
        ("members?state=good", 422, "states are: candidate"),
        ("members?after=00", 422, "take it from the header Link"),
        ("members?version=9", 404, "no model sales:9"),
        ("keys?where=store%3D001", 422, "give where for each of store, product"),
        ("keys?where=store%3D9&where=product%3D9", 404, "has the key store=9, product=9"),
    ],
)
def test_what_cannot_be_found_is_said(sets: Sets, path: str, status: int, said: str) -> None:
    answer = sets.api.get(f"/api/models/{SALES}/{path}")

    assert answer.status_code == status
    assert said in content(answer)["detail"]


@pytest.mark.parametrize(
    ("damage", "tags", "said"),
    [
        ("index.sqlite", {}, "index.sqlite of broken:{} does not match its hash"),
        ("", {"set_index": "f00"}, "the files of broken:{} are not those of its tag set_index"),
    ],
)
def test_an_index_that_does_not_match_its_hash_is_not_shown(
    sets: Sets, damage: str, tags: dict[str, str], said: str
) -> None:
    version = str(1 + len(said) % 7)
    sets.register(version, [{"store": "1", "product": "1"}], name="broken", damage=damage, **tags)

    answer = sets.api.get(f"/api/models/broken/members?version={version}")

    assert answer.status_code == 422
    assert said.format(version) in content(answer)["detail"]


def test_a_model_that_is_no_set_has_no_members(sets: Sets) -> None:
    sets.service.ledger.save(ModelRecord(model="quick-model"))

    answer = sets.api.get("/api/models/quick-model/members?version=1")

    assert answer.status_code == 404
    assert "quick-model:1 is no model set" in content(answer)["detail"]


@pytest.fixture
def each(sets: Sets) -> Sets:
    """With a champion of 26 keys, of which one has no member, and the pipeline without Azure's rate."""
    ml = sets.installation.ml
    pipeline = load_component(ROOT / "src/assets/set_registration/pipeline.yml")
    pipeline.inputs["per_second"].default = 1000.0
    ml.environments.create_or_update(load_environment(ROOT / "src/assets/environments/scoring.yml"))
    ml.components.create_or_update(pipeline, version="1")
    info = SetInfo(keys=("store", "product"), target="units", time="date", horizon=7)
    members = {(f"{number:02}", "a/b"): ("npz", seasonal_content(info)) for number in range(26)}
    del members["03", "a/b"]
    folder = sets.folder / "each-7"
    write_small_set(folder, members, [IndexRow(("03", "a/b"), "failed", reason="constant")], info)
    ml.models.create_or_update(Model(name="each", version="7", path=folder, type="mlflow_model"))
    ledger, now = sets.service.ledger, sets.service.now()
    champion = Champion(version="7", source="7", since=now, by="a verdict")
    ledger.save(ledger.model("each").model_copy(update={"champion": champion}))
    return sets


def test_a_job_registers_each_member_once_although_it_ended_in_between(each: Sets) -> None:
    """After the tenth registration Azure refuses one, and before that it asks to wait."""
    cloud, ledger, ml = each.installation.cloud, each.service.ledger, each.installation.ml
    command = RegisterMembers(cause="test", model="each", version="7")
    handle, reconcile = each.service.handlers[RegisterMembers], each.service.handlers[Reconcile]
    puts = {"method": "PUT", "path": "*/models/each-*"}
    cloud.fault("request", "status", match=puts, value=429, retry_after_s=0.1, skip=3)
    cloud.fault("request", "status", match=puts, value=403, skip=10)

    def due() -> list[AnyCommand]:
        found = (step.command for step in reconcile(Reconcile(cause="timer")))
        return [one for one in found if isinstance(one, RegisterMembers)]

    first = due()
    [again] = handle(command)
    waiting = due()
    cloud.settle(100)
    with pytest.raises(PermanentError, match="members-each-7-a1"):
        handle(command)
    after_failure, registered = due(), members_of(ml)
    handle(command)  # as its replay does
    cloud.settle(100)
    last = handle(command)

    assert first == [RegisterMembers(cause="timer", model="each", version="7")]
    assert again.command == command
    assert (waiting, after_failure, last, due()) == ([], [], [], [])
    assert len(registered) == 10
    assert registered.items() <= members_of(ml).items()
    assert ledger.model("each").members_of == "7"
    check_members(each, list(members_of(ml)))


def check_members(sets: Sets, names: list[str]) -> None:
    """Check that the members are found by name and by tags."""
    ml = sets.installation.ml
    assert len(names) == len(set(names)) == 25
    [name] = [name for name in names if name.startswith("each-07-a-b-")]
    member = ml.models.get(name, "7")
    assert member.tags["store"] == "07"
    assert (member.tags["set"], member.tags["set_version"]) == ("each", "7")
    assert member.path.endswith("/shards/00.zip")
    [listed] = ml.models.list(name=name)
    assert listed.tags["store"] == "07"
    uri = ml.workspaces.get(sets.installation.workspace.name).mlflow_tracking_uri
    search = MlflowClient(uri, registry_uri=uri).search_model_versions
    assert [(one.name, one.version) for one in search("tags.store = '07' and tags.`set` = 'each'")] == [
        (name, "7")
    ]
    assert (
        len(search("tags.set_version = '7'")) == len(search("tags.set = 'each'", max_results=10)) + 15 == 25
    )
    assert search("tags.store = '7'") == []
    with pytest.raises(RestException, match="joined by and, not tags"):
        search("tags.store LIKE '0%'")


def members_of(ml: "MLClient") -> dict[str, Any]:
    """Return when each model of a member was last written, by name."""
    names = [model.name for model in ml.models.list() if model.name.startswith("each-")]
    return {name: ml.models.get(name, "7").creation_context.last_modified_at for name in names}
