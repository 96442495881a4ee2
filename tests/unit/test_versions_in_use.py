"""Which model versions something depends on, and what has changed since the last look."""

from tests.support.config_yaml import a_feed
from tests.support.model_versions import POLICY
from tests.support.records import NOW, a_claim

from tidegate.config.schema import Config
from tidegate.domain.activities import lost_version_texts
from tidegate.domain.lifecycle.records import Champion, LostVersion, Model, ModelVersion, Promotion
from tidegate.domain.lifecycle.versions_in_use import VersionKey, decide_changes, versions_in_use
from tidegate.domain.partitions.records import ScoringState

POLICIES = {
    "classifier": {
        **POLICY,
        "promote": {"to": "production"},
        "rollout": {"endpoint": "digits-online", "smoke": "smoke.json"},
    }
}
KEY = VersionKey("production", "classifier", "1")
LOST = LostVersion(workspace="production", version="1", what="deleted", since=NOW, uses=["champion"])


def config() -> Config:
    from tests.support import config_yaml

    values = config_yaml.values(digits=a_feed())
    return Config.model_validate({**values, "models": POLICIES})


def champion(version: str, source: str) -> Champion:
    return Champion(version=version, source=source, since=NOW, by="verdict e1")


def test_champion_challenger_endpoint_and_live_scorings_depend_on_versions() -> None:
    model = Model(model="classifier", champion=champion("1", "7"), previous=champion("0", "6"), rolling="8")
    challenger = ModelVersion(
        model="classifier",
        version="8",
        registered_at=NOW,
        promotion=Promotion(via="workspace", begun_at=NOW, production_version="2"),
    )
    live = a_claim(model_version="5").record
    ended = a_claim(model_version="4", state=ScoringState.SCORED).record

    uses = versions_in_use(config(), [model], [challenger], [live, ended])

    assert {(key.workspace, key.version): found for key, found in uses.items()} == {
        ("production", "1"): ["champion", "deployment of the endpoint digits-online"],
        ("development", "7"): ["source of the champion"],
        ("production", "0"): ["previous champion"],
        ("development", "6"): ["source of the previous champion"],
        ("development", "8"): ["challenger"],
        ("production", "2"): ["deployment of the endpoint digits-online"],
        ("development", "5"): ["scoring digits 202611-1-g1"],
    }


def test_a_loss_is_new_once_and_then_over_once() -> None:
    uses = {KEY: ["champion"]}

    first = decide_changes([], {KEY: "deleted"}, uses, NOW)
    again = decide_changes(first.lost, {KEY: "deleted"}, uses, NOW)
    back = decide_changes(again.lost, {KEY: "active"}, uses, NOW)

    assert (first.new, first.over) == ([LOST], [])
    assert (again.lost, again.new, again.over) == ([LOST], [], [])
    assert (back.lost, back.new, back.over) == ([], [], [LOST])


def test_a_loss_is_over_when_nothing_depends_on_the_version() -> None:
    changes = decide_changes([LOST], {}, {}, NOW)

    assert (changes.lost, changes.over) == ([], [LOST])


def test_the_message_says_what_depends_on_the_version_and_what_to_do() -> None:
    deleted = lost_version_texts.lost("classifier", LOST, "timer-1")
    archived = lost_version_texts.lost("classifier", LOST.model_copy(update={"what": "archived"}), "timer-1")

    assert deleted.title == "classifier:1 was deleted in production while it is in use"
    assert "- champion" in deleted.text
    assert "tidegate rollback classifier" in deleted.text
    assert "The service restores it" in archived.text
