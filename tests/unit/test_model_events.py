"""Events about models that have a policy: which of them have a version judged. And the names of jobs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import config_yaml
from tests.support.hand_made_sets import SET_POLICY
from tests.support.model_versions import POLICY
from tests.support.payloads import as_json, learning_event, run_event, workspace_id

from tidegate.config.schema import Config
from tidegate.domain.lifecycle.names import judge_job, judged_by
from tidegate.messages.commands import JudgeModel
from tidegate.messages.event_parser import parse
from tidegate.service.meanings import Ignore, Meaning, RecordActivity, Reject, Send
from tidegate.service.routing import Routes

NOW = datetime(2026, 11, 21, 2, 10, tzinfo=UTC)
MODELS = ("digits", "digits-2", "a.model_with.dots")
ROUTES = Routes(
    Config.model_validate(config_yaml.values() | {"models": dict.fromkeys(MODELS, POLICY)}),
    timedelta(seconds=10),
)
COPY = {"tidegate_source_workspace": "mlw-dev"}
MEMBER = {"set": "sales", "set_version": "3", "store": "001"}
SETS = Routes(
    Config.model_validate(
        config_yaml.values(stories=config_yaml.a_feed()) | {"models": {"sales": SET_POLICY, "digits": POLICY}}
    ),
    timedelta(seconds=10),
)


def meaning(event: dict[str, Any]) -> Meaning:
    (parsed,) = parse(as_json(event))
    (found,) = ROUTES.meanings(parsed, NOW)
    return found


def judged(found: Meaning) -> tuple[str, str] | None:
    match found:
        case Send(JudgeModel() as command):
            return command.model, command.version
    return None


def registered(name: str, version: Any, tags: Any = None, **changes: Any) -> dict[str, Any]:
    data = {"ModelName": name, "ModelVersion": version, "ModelTags": tags}
    return learning_event("ModelRegistered", f"models/{name}:{version}", data, **changes)


@pytest.mark.parametrize("tags", [None, {}, {"area": "night"}])
@pytest.mark.parametrize("version", [3, "3"])
def test_a_model_with_a_policy_is_judged(version: Any, tags: Any) -> None:
    assert judged(meaning(registered("digits", version, tags))) == ("digits", "3")


@pytest.mark.parametrize(
    "event",
    [
        registered("other", 3),
        registered("digits", 3, topic=workspace_id("mlw-prod")),
        registered("digits", 3, COPY),
        registered("digits", 3, COPY, topic=workspace_id("mlw-prod")),
    ],
    ids=["no policy", "in production", "a copy of our own", "our copy in production"],
)
def test_every_other_model_is_recorded_and_left_alone(event: dict[str, Any]) -> None:
    assert isinstance(meaning(event), RecordActivity)


@pytest.mark.parametrize("version", ["../3", "3 4", "x" * 300, "-3"])
def test_a_version_that_cannot_be_one_is_kept_and_told(version: str) -> None:
    assert isinstance(meaning(registered("digits", version)), Reject)


@pytest.mark.parametrize(
    ("model", "version"),
    [("digits", "3"), ("digits-2", "7"), ("digits", "1_beta"), ("a.model_with.dots", "12")],
)
@pytest.mark.parametrize("kind", ["RunCompleted", "RunStatusChanged"])
def test_the_run_of_an_evaluation_finds_its_way_home_without_tags(
    kind: str, model: str, version: str
) -> None:
    run = judge_job(model, version, 2, 1)

    assert judged(meaning(run_event(run, kind=kind, data={"runTags": None}))) == (model, version)


@pytest.mark.parametrize("version", ["1.2", "1-2", "2026.11.21-rc1"])
def test_a_version_that_does_not_stand_in_the_name_is_found_by_the_tags(version: str) -> None:
    run = judge_job("digits", version, 1, 1)
    tags = {"tidegate_model": "digits", "tidegate_model_version": version}

    assert judged(meaning(run_event(run, data={"runTags": tags}))) == ("digits", version)
    assert judged(meaning(run_event(run))) is None  # the timer looks at it


@pytest.mark.parametrize(
    "run", ["judge-other-3-e1-a1", "judge-digits-3-e1", "judge-digits-3-e1-a1-x", "judge-3-e1-a1", "judge-"]
)
def test_somebody_elses_run_is_ignored(run: str) -> None:
    assert isinstance(meaning(run_event(run)), Ignore)


def test_an_evaluation_in_production_is_not_ours() -> None:
    event = run_event(judge_job("digits", "3", 1, 1), topic=workspace_id("mlw-prod"))

    assert isinstance(meaning(event), Ignore)


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}", fullmatch=True)


@given(model=NAMES, version=NAMES, other=NAMES)
def test_job_names_are_azures_and_lead_to_no_other_version(model: str, version: str, other: str) -> None:
    name = judge_job(model, version, 1, 1)

    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    assert len(name) < 255
    assert judged_by(name, [other, model]) in (None, (model, version))
    if other != model:
        assert judge_job(other, version, 1, 1) != name


def means(event: dict[str, Any]) -> Meaning:
    (parsed,) = parse(as_json(event))
    (found,) = SETS.meanings(parsed, NOW)
    return found


def test_ten_thousand_members_of_a_set_start_nothing() -> None:
    found = [means(registered(f"sales-{number}", 1, MEMBER)) for number in range(10_000)]

    assert all(isinstance(meaning, Ignore) for meaning in found)


def test_the_winners_of_a_set_are_not_judged_again() -> None:
    assert isinstance(means(registered("sales", 4, {"tidegate_assembled_from": "3"})), Ignore)
    assert judged(means(registered("sales", 4))) == ("sales", "4")


@pytest.mark.parametrize(
    "tags", [MEMBER | {"set": "digits"}, MEMBER | {"set": "other"}, {"set": "sales"}, MEMBER]
)
def test_tags_of_a_member_do_not_hide_a_model_that_has_a_policy(tags: dict[str, str]) -> None:
    assert judged(means(registered("digits", 3, tags))) == ("digits", "3")
