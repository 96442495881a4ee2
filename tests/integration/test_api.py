"""The API on a real ledger, queue and workspace: re-runs are claimed before they are answered."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.support.api_requests import Api, content
from tests.support.azure_clients import ml_client, table_service
from tests.support.clock import Clock
from tests.support.config_yaml import a_feed
from tests.support.installation import MLMODEL, QUICK
from tests.support.page_rows import a_version, an_activity, save_all
from tests.support.records import a_job
from tests.support.service import a_service, take_commands

from tidegate.api.app import create_app
from tidegate.bootstrap import Service
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.jobs.records import Job, JobEnd, JobKind
from tidegate.domain.partitions.records import (
    Generation,
    Partition,
    PartitionVersion,
    ScoringOutcome,
    ScoringState,
)
from tidegate.messages.commands import CheckPartition, ScorePartition
from tidepool.cloud import StorageAccount, Tidepool

CLOCK = Clock()
UNFIT = MLMODEL.replace("uint8", "float32")


@pytest.fixture(scope="module")
def account(tidepool: Tidepool) -> StorageAccount:
    return tidepool.create_storage_account()


@pytest.fixture(scope="module")
def service(
    tidepool: Tidepool,
    account: StorageAccount,
    tmp_path_factory: pytest.TempPathFactory,
) -> Service:
    """A service with the models classifier:1, classifier:2 and unfit:1; each test has a month of its own."""
    from azure.ai.ml import load_component
    from azure.ai.ml.entities import Environment, Model

    folder = tmp_path_factory.mktemp("api")
    workspace = tidepool.create_workspace()
    ml = ml_client(workspace.name)
    for name, version, file, text in (
        ("classifier", "1", "MLmodel", MLMODEL),
        ("classifier", "2", "MLmodel", MLMODEL),
        ("unfit", "2", "MLmodel", f"deep: {'[' * 5000}{']' * 5000}"),
        ("unfit", "3", "model.onnx", "weights"),
        ("unfit", "4", "tidegate_model.yml", "input: {shape: [-1, 3, 8, 8], type: float32}"),
        ("unfit", "1", "MLmodel", UNFIT),
    ):
        path, kind = folder / f"{name}-{version}", "mlflow_model" if file == "MLmodel" else "custom_model"
        path.mkdir()
        (path / file).write_text(text)
        ml.models.create_or_update(Model(name=name, version=version, path=path, type=kind))
    ml.environments.create_or_update(Environment(name="quick", version="1", image="python:3.11"))
    ml.components.create_or_update(load_component(QUICK), version="1")
    score = {"pipeline": "quick", "model": "classifier", "compute": "gpu-lowpri"}
    unfit = a_feed(account.name, "other", score=score | {"model": "unfit"})
    feeds = {"digits": a_feed(account.name, score=score), "unfit": unfit}
    return a_service(folder, account.name, CLOCK, development=workspace.name, **feeds)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def api(service: Service) -> Api:
    return Api(lambda: service)


def a_month(service: Service, partition: str, feed: str = "digits", versions: int = 1) -> Partition:
    record = Partition(feed=feed, partition=partition)
    record.versions = [
        PartitionVersion(
            number=number,
            manifest_hash=f"hash-{number}",
            manifest_path=f"predictions/{feed}/{partition}/manifests/{number}.jsonl",
            files=3,
            bytes=30,
            reason="marker _SUCCESS",
            snapshot_at=CLOCK.now,
            registered=True,
        )
        for number in range(1, versions + 1)
    ]
    service.ledger.save(record)
    return record


def jobs_of(partition: str, feed: str = "digits") -> str:
    return f"/api/feeds/{feed}/partitions/{partition}/jobs"


def test_a_rerun_is_claimed_and_sent_before_it_is_answered(
    tidepool: Tidepool, account: StorageAccount, service: Service, api: Api
) -> None:
    a_month(service, "202601", versions=2)

    response = api.post(jobs_of("202601"), {"reason": "new labels"})

    answer = content(response)
    assert response.status_code == 202
    assert response.headers["location"] == answer["url"] == f"{jobs_of('202601')}/202601-2-g1"
    assert (answer["state"], answer["model"], answer["reason"]) == ("claimed", "classifier:2", "new labels")
    assert content(api.get(answer["url"])) == answer
    [command] = [
        command for command in take_commands(tidepool, account.name) if command.partition == "202601"
    ]  # type: ignore[union-attr]
    assert isinstance(command, ScorePartition)
    assert (command.version, command.generation) == (2, 1)


def test_version_and_model_can_be_chosen(service: Service, api: Api) -> None:
    a_month(service, "202602", versions=2)

    answer = content(api.post(jobs_of("202602"), {"reason": "x", "version": 1, "model_version": "1"}))

    assert (answer["name"], answer["model"]) == ("202602-1-g1", "classifier:1")


def test_the_same_key_brings_the_same_generation(service: Service, api: Api) -> None:
    a_month(service, "202603")
    first = content(api.post(jobs_of("202603"), {"reason": "x"}, idempotency_key="a"))
    record = service.ledger.partition("digits", "202603")
    record.versions.append(record.versions[0].model_copy(update={"number": 2, "generations": []}))
    service.ledger.save(record)

    again = api.post(jobs_of("202603"), {"reason": "x"}, idempotency_key="a")

    assert again.status_code == 202
    assert content(again) == first


def test_the_same_key_with_another_request_is_refused(service: Service, api: Api) -> None:
    a_month(service, "202604")
    api.post(jobs_of("202604"), {"reason": "x"}, idempotency_key="a")

    response = api.post(jobs_of("202604"), {"reason": "x", "model_version": "1"}, idempotency_key="a")

    assert response.status_code == 422
    assert "202604-1-g1" in content(response)["detail"]
    assert len(content(api.get(jobs_of("202604")))) == 1


def test_a_rerun_without_a_key_is_refused_while_the_version_is_being_scored(
    service: Service, api: Api
) -> None:
    a_month(service, "202609", versions=2)
    api.post(jobs_of("202609"), {"reason": "x"})

    again = api.post(jobs_of("202609"), {"reason": "x"})
    of_another_version = api.post(jobs_of("202609"), {"reason": "x", "version": 1})
    with_a_key = api.post(jobs_of("202609"), {"reason": "x"}, idempotency_key="again")
    record = service.ledger.partition("digits", "202609")
    for claim in record.claims:
        claim.generation.state = ScoringState.CANCELLED
    service.ledger.save(record)
    after_its_end = api.post(jobs_of("202609"), {"reason": "x"})

    assert again.status_code == 409
    assert content(again)["title"] == "Conflict"
    assert "202609-2-g1 is being scored (state claimed)" in content(again)["detail"]
    assert content(of_another_version)["name"] == "202609-1-g1"
    assert content(with_a_key)["name"] == "202609-2-g2"
    assert content(after_its_end)["name"] == "202609-2-g3"


def test_of_requests_without_a_key_at_the_same_time_one_is_accepted(service: Service, api: Api) -> None:
    a_month(service, "202610")

    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(api.post, jobs_of("202610"), {"reason": "x"}) for _ in range(4)]
        answers = [one.result() for one in asked]

    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    assert len(content(api.get(jobs_of("202610")))) == 1


def test_requests_with_keys_at_the_same_time_become_generations_of_their_own(
    service: Service, api: Api
) -> None:
    a_month(service, "202605")

    with ThreadPoolExecutor(4) as threads:
        asked = [
            threads.submit(api.post, jobs_of("202605"), {"reason": str(n)}, idempotency_key=f"key-{n}")
            for n in range(4)
        ]
        answers = [content(one.result()) for one in asked]

    assert sorted(answer["generation"] for answer in answers) == [1, 2, 3, 4]
    assert {one["reason"] for one in content(api.get(jobs_of("202605")))} == {"0", "1", "2", "3"}


def test_a_claim_stands_while_the_queue_is_away(
    faults: Tidepool, account: StorageAccount, service: Service, api: Api
) -> None:
    a_month(service, "202606")
    match = {"host": f"{account.name}.queue.*", "method": "POST"}
    faults.fault("request", "status", match=match, value=403, times=None)

    response = api.post(jobs_of("202606"), {"reason": "x"})

    [claim] = service.ledger.partition("digits", "202606").claims
    assert response.status_code == 202
    assert claim.generation.state == ScoringState.CLAIMED


REASON = {"reason": "x"}


@pytest.mark.parametrize(
    ("path", "body", "refusal"),
    [
        (
            jobs_of("202613"),
            REASON,
            (422, "path.partition: write a month as 202611, or a day as 20261105 (not '202613')"),
        ),
        (jobs_of("2026-11"), REASON, (422, "path.partition")),
        (jobs_of("202607", "dogs"), REASON, (404, "There is no feed 'dogs'; there are: digits, unfit")),
        (jobs_of("202607"), b'{"reason": ', (400, "The body is not JSON")),
        (jobs_of("202607"), [], (422, "body")),
        (jobs_of("202607"), {}, (422, "body.reason: Field required")),
        (jobs_of("202607"), REASON | {"force": True}, (422, "body.force: unknown key")),
        (jobs_of("202607"), REASON | {"version": "1"}, (422, "body.version")),
        (jobs_of("202607"), REASON | {"version": 9}, (404, "it has 202607-1")),
        (jobs_of("202607"), REASON | {"model_version": "9"}, (422, "no model classifier:9")),
        (jobs_of("202608"), REASON, (409, "not complete yet")),
        (
            jobs_of("202607", "unfit"),
            REASON,
            (422, "unfit:1 does not fit quick, which takes image-classifier: it takes float32"),
        ),
        (
            jobs_of("202607", "unfit"),
            REASON | {"model_version": "2"},
            (
                422,
                "unfit:2 cannot be used: its MLmodel cannot be read: it is nested more than 32 levels deep",
            ),
        ),
        (
            jobs_of("202607", "unfit"),
            REASON | {"model_version": "3"},
            (
                422,
                "unfit:3 cannot be used: it has no MLmodel file: save it with MLflow, or register a folder",
            ),
        ),
        (
            jobs_of("202607", "unfit"),
            REASON | {"model_version": "4"},
            (422, "unfit:4 does not fit quick, which takes image-classifier: it takes float32"),
        ),
    ],
)
def test_what_cannot_be_done_is_refused_and_claims_nothing(
    service: Service, api: Api, path: str, body: Any, refusal: tuple[int, str]
) -> None:
    feed = "unfit" if "unfit" in path else "digits"
    if service.ledger.partition(feed, "202607").etag is None:
        a_month(service, "202607", feed)

    response = api.post(path, body)

    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code == refusal[0]
    assert refusal[1] in content(response)["detail"]
    assert not service.ledger.partition(feed, "202607").claims


def test_an_idempotency_key_that_is_none_is_refused(api: Api) -> None:
    response = api.post(jobs_of("202607"), REASON, idempotency_key="with a blank")

    assert response.status_code == 422
    assert "Idempotency-Key" in content(response)["detail"]


def test_a_body_that_is_not_sent_as_json_is_refused_with_the_header_that_it_lacks(api: Api) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}

    response = api.post(jobs_of("202601"), {"reason": "new labels"}, **form)

    assert response.status_code == 422
    assert "Content-Type: application/json" in content(response)["detail"]


def test_feeds_and_months_show_what_there_is(service: Service, api: Api) -> None:
    a_month(service, "202701", "unfit")
    a_month(service, "202702", "unfit", versions=2)

    feeds = {feed["name"]: feed for feed in content(api.get("/api/feeds"))}
    months = [
        one for one in content(api.get(f"{feeds['unfit']['url']}/partitions")) if one["partition"] > "2027"
    ]

    assert [(partition["partition"], partition["state"], partition["version"]) for partition in months] == [
        ("202702", "complete", "202702-2"),
        ("202701", "complete", "202701-1"),
    ]
    assert content(api.get(feeds["unfit"]["url"])) == feeds["unfit"]


def test_a_month_shows_its_versions_scorings_outcome_and_what_happened(service: Service, api: Api) -> None:
    record = a_month(service, "202703")
    api.post(jobs_of("202703"), REASON)
    record = service.ledger.partition("digits", "202703")
    [claim] = record.claims
    claim.generation.state, claim.generation.outcome = ScoringState.SCORED, ScoringOutcome(rows=3, errors=0)
    record.result = claim.name
    service.ledger.save(record)
    for hours, kind in ((2, "partition.scored"), (1, "partition.late")):
        at = CLOCK.now + timedelta(hours=hours)
        service.ledger.add_activity(
            Activity(subject="digits:202703", id=kind, kind=kind, at=at, title=kind, text=kind, cause="event")
        )

    partition = content(api.get("/api/feeds/digits/partitions/202703"))

    assert (partition["state"], partition["result"], partition["outcome"]) == (
        "scored",
        "202703-1-g1",
        {"rows": 3, "errors": 0},
    )
    assert [scoring["name"] for scoring in partition["versions"][0]["scorings"]] == ["202703-1-g1"]
    assert [activity["kind"] for activity in partition["activities"]] == [
        "partition.late",
        "partition.scored",
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/api/feeds/dogs",
        "/api/feeds/digits/partitions/209912",
        f"{jobs_of('202607')}/202607-1-g7",
        "/api/jobs/development/nothing",
    ],
)
def test_what_is_not_there_is_not_found(api: Api, path: str) -> None:
    response = api.get(path)

    assert response.status_code == 404
    assert content(response)["detail"]


def test_jobs_are_those_that_have_not_ended_unless_all_are_asked_for(service: Service, api: Api) -> None:
    for attempt, final in ((1, True), (2, False)):
        name = f"score-digits-202704-1-g1-a{attempt}"
        service.ledger.save(
            Job(
                workspace="development",
                name=name,
                kind=JobKind.SCORING,
                subject="digits:202704-1-g1",
                attempt=attempt,
                cluster="gpu-lowpri",
                pipeline="image_scoring:ab",
                submitted_at=CLOCK.now + timedelta(minutes=attempt),
                end=JobEnd.PREEMPTED if final else None,
            )
        )

    open_jobs, all_jobs = content(api.get("/api/jobs")), content(api.get("/api/jobs?all=true"))

    assert [job["attempt"] for job in open_jobs] == [2]
    assert [job["attempt"] for job in all_jobs] == [2, 1]
    assert content(api.get(all_jobs[1]["url"])) == all_jobs[1]


@pytest.mark.parametrize(
    ("kind", "subject", "subject_url"),
    [
        (JobKind.SCORING, "digits:202705-1-g1", "/api/feeds/digits/partitions/202705"),
        (JobKind.EVALUATION, "m:3", "/api/models/m/versions/3"),
        (JobKind.RETRAINING, "m:renew-202611", "/api/models/m"),
    ],
)
def test_jobs_of_every_kind_are_listed_and_lead_to_what_they_serve(
    service: Service, api: Api, kind: JobKind, subject: str, subject_url: str
) -> None:
    name = f"{kind.value}-a1"
    job = a_job(name=name, kind=kind, subject=subject)
    service.ledger.save(job)

    listed = {found["name"]: found for found in content(api.get(f"/api/jobs?kind={kind.value}"))}

    assert {found["kind"] for found in listed.values()} == {kind.value}
    assert listed[name]["subject_url"] == subject_url
    assert content(api.get(f"/api/jobs/development/{name}")) == listed[name]


def test_health_is_good_when_configuration_and_ledger_can_be_read(api: Api) -> None:
    response = api.get("/api/health")

    assert response.status_code == 200
    assert content(response)["feeds"] == ["digits", "unfit"]
    assert {content(response)[name] for name in ("poison_messages", "dead_letters", "delayed")} == {0}


def test_health_counts_what_is_stuck(service: Service, api: Api) -> None:
    service.undelivered.poison_queue.create()
    service.undelivered.poison_queue.send(CheckPartition(cause="test", feed="digits", partition="202611"))

    assert content(api.get("/api/health"))["poison_messages"] == 1


def test_health_says_when_the_ledger_cannot_be_read(
    faults: Tidepool, account: StorageAccount, api: Api
) -> None:
    match = {"host": f"{account.name}.table.*"}
    faults.fault("request", "status", match=match, value=403, times=None)

    response = api.get("/api/health")

    assert response.status_code == 503
    assert "tidegateOpenActivities" in content(response)["detail"]


def test_health_says_what_is_wrong_with_the_configuration(tmp_path: Path) -> None:
    service = a_service(tmp_path, "unused", CLOCK, digits=a_feed(begins=202601))

    response = Api(lambda: service).get("/api/health")

    assert response.status_code == 503
    assert "feeds.digits.begins: there is no such key" in content(response)["detail"]


def test_a_version_may_be_scored_more_than_500_times(
    service: Service, api: Api, account: StorageAccount
) -> None:
    record = a_month(service, "202612")
    names = [f"sub/written-by-hand-{number:03}.png" for number in range(24)]
    record.versions[0].generations = [
        Generation(
            number=number,
            state=ScoringState.INCOMPLETE,
            model_name="classifier",
            model_version="1",
            compute="gpu-lowpri",
            job=f"score-digits-202612-1-g{number}-a1",
            reason=f"correction {number} of the labels",
            idempotency_key=f"key-{number}",
            claimed_at=CLOCK.now,
            ended_at=CLOCK.now,
            outcome=ScoringOutcome(verdict="incomplete", files=24, missing=24, missing_names=names),
        )
        for number in range(1, 601)
    ]
    assert len(record.model_dump_json()) > 600_000

    service.ledger.save(record)
    old = api.post(jobs_of("202612"), {"reason": "correction 7 of the labels"}, idempotency_key="key-7")
    new = api.post(jobs_of("202612"), {"reason": "another one"}, idempotency_key="another")

    assert (content(old)["name"], content(new)["name"]) == ("202612-1-g7", "202612-1-g601")
    table = table_service(account.name).get_table_client("tidegatePartitions")
    sizes = [
        len(value) if isinstance(value, bytes) else 2 * len(str(value))
        for value in table.get_entity("digits", "202612").values()
    ]
    assert sum(sizes) < 2**20  # Azure's limit of a row, which Azurite does not check
    assert max(sizes) <= 2**16
    listed = [row["name"] for page in pages(api, f"{jobs_of('202612')}?limit=250") for row in page]
    assert listed == [f"202612-1-g{number}" for number in range(1, 602)]
    shown = content(api.get("/api/feeds/digits/partitions/202612"))
    [version] = shown["versions"]
    assert (version["scorings"][-1]["name"], version["scorings_count"]) == ("202612-1-g601", 601)
    assert len(version["scorings"]) == 20
    assert service.ledger.partition("digits", "202612").claims[6].generation.outcome == (
        record.versions[0].generations[6].outcome
    )


def pages(api: Api, path: str) -> list[list[Any]]:
    """Return the rows of each page of a list."""
    rows: list[list[Any]] = []
    following: str | None = path
    while following:
        response = api.get(following)
        assert response.status_code == 200
        rows.append(content(response))
        link = response.headers.get("link", "")
        following = link.partition("<")[2].partition(">")[0] or None
    return rows


def test_a_list_is_read_in_pages_and_no_row_is_lost_or_doubled(service: Service) -> None:
    months = [f"2030{month:02}" for month in range(1, 8)]
    for month in months:
        service.ledger.save(Partition(feed="digits", partition=month))
    api = Api(lambda: service)
    everything = content(api.get("/api/feeds/digits/partitions"))

    got = pages(api, "/api/feeds/digits/partitions?limit=3")

    assert [row for page in got for row in page] == everything
    assert {len(page) for page in got[:-1]} == {3}
    assert {row["partition"] for row in everything} >= set(months)
    for path in (
        "feeds",
        "jobs?all=true",
        "failures?all=true",
        "models",
        "pauses",
        "feeds/digits/partitions",
    ):
        separator = "&" if "?" in path else "?"
        rows = [row for page in pages(api, f"/api/{path}{separator}limit=1") for row in page]
        assert rows == content(api.get(f"/api/{path}"))


def test_a_partition_shows_what_is_newest_and_lists_the_rest_in_pages(service: Service, api: Api) -> None:
    a_month(service, "203101", versions=22)
    for number in range(102):
        at = CLOCK.now + timedelta(minutes=number)
        activity = Activity(
            subject="digits:203101", id=f"{number}", kind="k", at=at, title=f"{number}", text="", cause="test"
        )
        service.ledger.add_activity(activity)

    shown = content(api.get("/api/feeds/digits/partitions/203101"))
    lists = {
        what: [
            row for page in pages(api, f"/api/feeds/digits/partitions/203101/{what}?limit=9") for row in page
        ]
        for what in ("versions", "activities")
    }

    assert (shown["versions_count"], shown["activities_count"]) == (22, 102)
    assert [row["title"] for row in lists["activities"]] == [str(number) for number in range(102)]
    assert [row["number"] for row in lists["versions"]] == list(range(1, 23))
    assert shown["activities"] == lists["activities"][-100:]
    assert shown["versions"] == lists["versions"][-20:]


def test_a_row_that_is_added_between_two_pages_moves_no_other_row(service: Service) -> None:
    for month in ("209909", "209910", "209911"):
        service.ledger.save(Partition(feed="digits", partition=month))
    api = Api(lambda: service)
    first = api.get("/api/feeds/digits/partitions?limit=2")
    following = first.headers["link"].partition("<")[2].partition(">")[0]

    service.ledger.save(Partition(feed="digits", partition="209912"))

    assert [row["partition"] for row in content(first)] == ["209911", "209910"]
    assert content(api.get(following))[0]["partition"] == "209909"


def test_versions_and_activities_of_a_model_come_in_pages(service: Service, api: Api) -> None:
    names = [str(number) for number in range(7, 12)]
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    save_all(
        service,
        [
            *(a_version("many", name, registered_at=begin + timedelta(hours=int(name))) for name in names),
            *(an_activity(int(name), model_subject("many"), kind="model.refused") for name in names),
        ],
    )

    shown = content(api.get("/api/models/many"))
    for what in ("versions", "activities"):
        path, rows = f"/api/models/many/{what}?limit=2", list[dict[str, Any]]()
        while path:
            answer = api.get(path)
            rows += content(answer)
            path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")

        assert rows == shown[what]
        assert len(rows) == shown[f"{what}_count"] == 5
    assert [version["version"] for version in shown["versions"]] == names[::-1]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=many", "after=next", "after=abc"])
def test_a_page_that_cannot_be_is_refused_with_what_is_allowed(service: Service, query: str) -> None:
    response = Api(lambda: service).get(f"/api/jobs?{query}")

    assert response.status_code == 422
    assert query.partition("=")[0] in str(content(response)["mistakes"])


@pytest.mark.parametrize("examples", [2, pytest.param(20, marks=pytest.mark.long)])
def test_every_answer_is_as_the_description_says(service: Service, examples: int) -> None:
    import schemathesis
    from schemathesis.checks import load_all_checks
    from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

    load_all_checks()
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", create_app(lambda: service))
    few = settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    for found in schema.get_all_operations():

        @few
        @given(case=found.ok().as_strategy())
        def ask(case: Any) -> None:
            excluded = [ignored_auth]  # keys are the host's affair
            if case.path.startswith("/api/pauses"):  # `by` is required of callers who are not signed in
                excluded.append(positive_data_acceptance)
            case.call_and_validate(excluded_checks=excluded)

        ask()
