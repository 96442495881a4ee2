"""What is submitted, and under which name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.config_yaml import a_feed
from tests.support.records import a_claim

from tidegate.config.schema import Feed
from tidegate.domain.jobs.plan import job_name, plan_scoring, served_by

FEED = Feed.model_validate(a_feed(score={**a_feed()["score"], "publish_compute": "small"}))


def test_a_plan_names_registered_things_only() -> None:
    plan = plan_scoring(FEED, a_claim())

    assert plan.job == "score-digits-202611-1-g1-a1"
    assert plan.experiment == "digits"
    store = "azureml://datastores/workspaceblobstore/paths/predictions/digits/202611"
    assert plan.inputs == {
        "data": ("uri_folder", "azureml:digits:202611-1"),
        "manifest": ("uri_file", f"{store}/manifests/ab.jsonl"),
        "model": ("mlflow_model", "azureml:classifier:7"),
    }
    assert plan.outputs == {"predictions": f"{store}/202611-1/g1/"}
    assert (plan.literals["score_compute"], plan.literals["publish_compute"]) == ("gpu-lowpri", "small")


def test_a_pipeline_of_an_earlier_release_gets_the_folder_under_its_earlier_name() -> None:
    plan = plan_scoring(FEED, a_claim())

    assert set(plan.for_pipeline({"data", "images"}, {"predictions"}).inputs) == {"data", "manifest", "model"}
    assert set(plan.for_pipeline({"images"}, ()).inputs) == {"images", "manifest", "model"}


def test_only_the_form_of_the_csv_that_is_not_the_default_is_an_input_of_the_job() -> None:
    excel = Feed.model_validate(a_feed(score={**a_feed()["score"], "csv": "excel"}))

    assert "csv" not in plan_scoring(FEED, a_claim()).literals
    assert plan_scoring(excel, a_claim()).literals["csv"] == "excel"


def test_further_inputs_of_the_configuration_are_inputs_of_the_job() -> None:
    feed = Feed.model_validate(a_feed(score={**a_feed()["score"], "inputs": {"keep": "store", "most": 3}}))

    literals = plan_scoring(feed, a_claim()).literals
    assert (literals["keep"], literals["most"]) == ("store", 3)


def test_tags_lead_back_and_can_be_filtered_by_event_grid() -> None:
    tags = plan_scoring(FEED, a_claim(reason="x" * 5000)).tags

    assert tags["tidegate_feed"] == "digits"
    assert (tags["tidegate_version"], tags["tidegate_generation"], tags["tidegate_attempt"]) == (
        "202611-1",
        "1",
        "1",
    )
    assert not any("." in name for name in tags)
    assert all(len(value) <= 1000 for value in tags.values())


def test_the_same_attempt_is_planned_the_same_and_each_attempt_has_a_name_of_its_own() -> None:
    assert plan_scoring(FEED, a_claim()) == plan_scoring(FEED, a_claim())
    names = [
        job_name(a_claim(number=g, version=v, attempt=a)) for g in (1, 2) for v in (1, 2) for a in (1, 2)
    ]
    assert len(set(names)) == 8


def test_a_rerun_reuses_no_step() -> None:
    assert [plan_scoring(FEED, a_claim(number=n)).force_rerun for n in (1, 2)] == [False, True]


@given(
    st.from_regex(r"[a-z0-9][a-z0-9-]{0,39}", fullmatch=True),
    st.integers(1, 99),
    st.integers(1, 99),
    st.integers(1, 9),
)
def test_a_jobs_name_leads_back(feed: str, version: int, number: int, attempt: int) -> None:
    claim = a_claim(feed, number=number, version=version, attempt=attempt)

    command = served_by(job_name(claim), "event-1")

    assert command is not None
    assert (command.feed, command.partition) == (feed, "202611")
    assert (command.version, command.generation, command.cause) == (version, number, "event-1")


@pytest.mark.parametrize(
    "name",
    [
        "train-digits",
        "score-digits-202611-1-g1",
        "x-score-a-202611-1-g1-a1",
        "score-digits-202613-1-g1-a1",
        "score-digits-202611-0-g1-a1",
        "score-digits-202611-1-g0-a1",
        "score-two words-202611-1-g1-a1",
        "score-digits-２０２６１１-1-g1-a1",
        f"score-digits-202611-{'9' * 5000}-g1-a1",
        f"score-{'digits' * 50}-202611-1-g1-a1",
    ],
)
def test_jobs_of_others_serve_nothing(name: str) -> None:
    assert served_by(name, "event-1") is None
