"""Models through the gate: registered with the SDK, evaluated, passed or refused, and a person's word."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.support.installation import Running
from tests.support.model_versions import ModelInstallation
from tidegate.cli.app import main
from tidegate.domain.lifecycle.records import ModelState, ModelVersion
from tidepool.cloud import Tidepool

APPROVED = {"promote": {"approval": "required", "within": "3d"}}
GOOD, LOST, BAD = "cats", "dogs", "birds"  # each story has a model of its own


@pytest.fixture(scope="module")
def installation(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> ModelInstallation:
    return ModelInstallation(
        tidepool, tmp_path_factory.mktemp("gate"), policy=APPROVED, models=(GOOD, LOST, BAD)
    )


@pytest.fixture(scope="module")
def app(installation: ModelInstallation) -> Iterator[Running]:
    with installation.start() as running:
        yield running


@pytest.fixture
def running(app: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("FUNCTIONS_URL", app.site.url)
    monkeypatch.setenv("FUNCTIONS_KEY", app.site.key)
    monkeypatch.setenv("FUNCTIONS_TOKEN", app.token("Ada", "approver"))
    monkeypatch.setenv("COLUMNS", "160")
    yield app
    app.installation.cloud.clear_faults()


def version(running: Running, model: str, number: str = "1") -> ModelVersion:
    found = running.service.ledger.model_version(model, number)
    assert found is not None
    return found


def judged_again_by_another_rule(installation: ModelInstallation, running: Running) -> None:
    installation.change(BAD, gate={"metrics": {"accuracy": {"min": 0.75}}})
    running.site.restart()  # as when it is deployed

    assert ends("judge", BAD, "1", "--reason", "0.75 will do for now", "--by", "Ada") == 0
    running.settle()

    record = version(running, BAD)
    assert record.state is ModelState.PASSED
    assert record.evaluation is not None
    assert record.evaluation.number == 2
    assert [past.verdict.passed for past in record.history] == [False]
    assert installation.ml.models.get(BAD, "1").tags["tidegate_verdict"] == "passed"
    assert "Judged again, as Ada requested: 0.75 will do for now." in json.dumps(installation.notifications())


def ends(*arguments: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_a_good_model_passes_and_a_person_approves_it_on_the_command_line(
    installation: ModelInstallation, running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.register("1", name=GOOD, accuracy=0.9)
    running.settle()
    record = version(running, GOOD)

    assert record.state is ModelState.PASSED
    assert record.verdict is not None
    rules = ["subject", "no champion", "min_n", "min", "champion_tolerance"]
    assert [line.rule for line in record.verdict.rules] == rules
    assert installation.evaluations(GOOD) == {"judge-cats-1-e1-a1": "Completed"}
    tags = installation.ml.models.get(GOOD, "1").tags
    assert (tags["tidegate_verdict"], tags["tidegate_verdict_id"]) == ("passed", record.verdict.id)
    assert ends("model", GOOD, "1") == 0
    assert re.search(r"accuracy +0\.9 +at least 0\.8 +✓ pass", capsys.readouterr().out)

    assert ends("approve", GOOD, "1", "--reason", "Better at night", "--by", "Ada") == 0
    running.settle()

    assert version(running, GOOD).state is ModelState.CHAMPION
    assert ends("models") == 0
    assert GOOD in capsys.readouterr().out
    told = json.dumps(installation.notifications())
    for words in ("cats:1 passed the gate", "waits for approval", "Ada approved cats:1"):
        assert words in told


def test_a_model_whose_event_was_lost_is_found_by_the_timer(
    installation: ModelInstallation, running: Running
) -> None:
    installation.cloud.fault("event", "drop", match={"topic": f"*{installation.workspace.name}"}, times=None)
    installation.register("1", name=LOST)
    running.settle()
    for _ in range(2):  # the evaluation begins, and its end is seen
        running.reconcile()

    assert version(running, LOST).state is ModelState.PASSED


@pytest.mark.long  # the handlers' tests have this case, too
def test_a_bad_model_is_refused_and_no_person_can_approve_it(
    installation: ModelInstallation, running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.register("1", name=BAD, accuracy=0.79)
    running.settle()

    assert version(running, BAD).state is ModelState.REFUSED
    assert installation.ml.models.get(BAD, "1").tags["tidegate_verdict"] == "failed"
    (letter,) = [
        notification
        for notification in installation.notifications()
        if "birds:1 is refused" in json.dumps(notification)
    ]
    assert "FAILED accuracy min: 0.79; required: at least 0.8" in json.dumps(letter)
    assert ends("approve", BAD, "1", "--reason", "It is urgent") == 1
    assert "no person can approve it" in capsys.readouterr().err
    judged_again_by_another_rule(installation, running)
    assert ends("model", BAD, "1") == 0
    assert "earlier verdict e1-" in capsys.readouterr().out
    assert ends("rollback", BAD, "--reason", "Nothing is there to go back to") == 1
