"""Registered versions whose events were lost: which ones the timer finds, and which it leaves alone."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.clock import Clock
from tests.support.model_versions import MODEL, POLICY, ModelInstallation

from tidegate.config.schema import Config
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.messages.commands import JudgeModel
from tidegate.service.steps.model_candidates import MissedRegistrations
from tidepool.cloud import Tidepool

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def installation(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> ModelInstallation:
    return ModelInstallation(tidepool, tmp_path_factory.mktemp("installation"))


class RegisteredModel:
    """A model of the installation whose versions the timer finds. The clock starts at Tidepool's time."""

    def __init__(self, installation: ModelInstallation) -> None:
        self._installation = installation
        self.name = f"registered{next(NUMBERS)}"
        self.clock = Clock(datetime.fromisoformat(installation.cloud.status()["now"]))
        self._service = installation.service(self.clock)
        self._registrations = MissedRegistrations(context=self._service)

    def register(self, *versions: str, **more: Any) -> None:
        for version in versions:
            self._installation.register(version, name=self.name, **more)

    def candidates(self, *, policy: bool = True) -> list[str]:
        """Return the versions that the timer wants to have judged, in this order."""
        policies = {MODEL: POLICY, **({self.name: POLICY} if policy else {})}
        self._installation.configure(models=policies)
        self.clock.move(minutes=1)  # a file is looked at again after some seconds
        config: Config = self._service.config()
        commands = list(self._registrations.find(config, "timer-1"))
        assert all(command.cause == "timer-1" for command in commands)
        judgings = (command for command in commands if isinstance(command, JudgeModel))
        return [command.version for command in judgings if command.model == self.name]

    def judged(self, *versions: str) -> None:
        for version in versions:
            record = ModelVersion(model=self.name, version=version, registered_at=self.clock.now)
            self._service.ledger.save(record)


@pytest.fixture
def model(installation: ModelInstallation) -> RegisteredModel:
    return RegisteredModel(installation)


def test_of_what_was_there_before_its_policy_only_the_newest_is_judged(model: RegisteredModel) -> None:
    model.register("1", "2", "3")
    model.clock.move(hours=1)

    assert model.candidates() == ["3"]
    assert model.candidates() == ["3"]  # until it is in the ledger
    model.judged("3")
    assert model.candidates() == []


def test_each_of_several_versions_whose_events_were_lost_is_found(model: RegisteredModel) -> None:
    model.register("1")
    model.candidates()
    model.judged("1")
    model.register("2", "10", "3")

    assert model.candidates() == ["2", "10", "3"]
    model.judged("3", "10")
    assert model.candidates() == ["2"]


def test_the_older_of_the_first_two_is_found_though_the_newer_was_seen(model: RegisteredModel) -> None:
    assert model.candidates() == []
    model.register("1", "2")
    model.judged("2")

    assert model.candidates() == ["1"]


def test_copies_of_our_own_and_archived_versions_are_nobodys_candidates(
    model: RegisteredModel, installation: ModelInstallation
) -> None:
    model.candidates()
    model.register("1", "2")
    model.register("3", tags={"tidegate_source_workspace": "mlw-dev"})
    installation.ml.models.archive(model.name, "1")

    assert model.candidates() == ["2"]


def test_what_came_while_there_was_no_policy_is_left_alone(model: RegisteredModel) -> None:
    model.register("1")
    model.candidates()
    model.judged("1")
    model.candidates(policy=False)
    model.register("2", "3")
    model.clock.move(hours=1)

    assert model.candidates() == ["3"]


def test_only_the_newest_are_looked_at(model: RegisteredModel) -> None:
    model.candidates()
    model.register(*(str(number) for number in range(1, 23)))

    assert model.candidates() == [str(number) for number in range(3, 23)]


def test_a_model_that_azure_ml_does_not_tell_of_holds_up_no_other(
    model: RegisteredModel, installation: ModelInstallation
) -> None:
    model.register("1")
    installation.cloud.fault(
        "request", "status", match={"path": f"*/{MODEL}/versions*"}, value=503, times=None
    )

    try:
        assert model.candidates() == ["1"]
    finally:
        installation.cloud.clear_faults()


def test_a_policy_is_dated_some_minutes_back_as_the_timer_comes_late(model: RegisteredModel) -> None:
    model.register("1", "2")
    model.clock.now += timedelta(minutes=5)

    assert model.candidates() == ["1", "2"]
