"""Registered versions whose events were lost: which ones the timer finds, and which it leaves alone."""

import itertools
import os
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.clock import Clock
from tests.support.model_versions import MODEL, POLICY, ModelInstallation

from tidegate.bootstrap import build
from tidegate.config.schema import Config
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.messages.commands import JudgeModel
from tidegate.service.steps.missed_registrations import MissedRegistrations
from tidegate.settings import Settings
from tidepool.cloud import Tidepool

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def installation(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> ModelInstallation:
    return ModelInstallation(tidepool, tmp_path_factory.mktemp("installation"))


class Register:
    """A model name of its own, and what the timer finds of it. Its clock is Tidepool's until it is moved."""

    def __init__(self, installation: ModelInstallation) -> None:
        self._installation = installation
        self.model = f"registered{next(NUMBERS)}"
        self.clock = Clock(datetime.fromisoformat(installation.cloud.status()["now"]))
        file = installation.config_file
        settings = Settings(
            storage_account=installation.account.name, config_file=file, environ=dict(os.environ)
        )
        self._service = build(settings, now=self.clock)
        self._registrations = MissedRegistrations(context=self._service)

    def has(self, *versions: str, **more: Any) -> None:
        for version in versions:
            self._installation.register(version, name=self.model, **more)

    def found(self, *, policy: bool = True) -> list[str]:
        """The versions that it has judged, in that order."""
        policies = {MODEL: POLICY, **({self.model: POLICY} if policy else {})}
        self._installation.configure(models=policies)
        self.clock.move(minutes=1)  # a file is looked at again after some seconds
        config: Config = self._service.config()
        commands = list(self._registrations.find(config, "timer-1"))
        assert all(one.cause == "timer-1" for one in commands)
        return [one.version for one in commands if isinstance(one, JudgeModel) and one.model == self.model]

    def judged(self, *versions: str) -> None:
        for version in versions:
            record = ModelVersion(model=self.model, version=version, registered_at=self.clock.now)
            self._service.ledger.save(record)


@pytest.fixture
def register(installation: ModelInstallation) -> Register:
    return Register(installation)


def test_of_what_was_there_before_its_policy_only_the_newest_is_judged(register: Register) -> None:
    register.has("1", "2", "3")
    register.clock.move(hours=1)

    assert register.found() == ["3"]
    assert register.found() == ["3"]  # until it is in the ledger
    register.judged("3")
    assert register.found() == []


def test_each_of_several_versions_whose_events_were_lost_is_found(register: Register) -> None:
    register.has("1")
    register.found()
    register.judged("1")
    register.has("2", "10", "3")

    assert register.found() == ["2", "10", "3"]
    register.judged("3", "10")
    assert register.found() == ["2"]


def test_the_older_of_the_first_two_is_found_though_the_newer_was_seen(register: Register) -> None:
    assert register.found() == []
    register.has("1", "2")
    register.judged("2")

    assert register.found() == ["1"]


def test_copies_of_our_own_and_archived_versions_are_nobodys_candidates(
    register: Register, installation: ModelInstallation
) -> None:
    register.found()
    register.has("1", "2")
    register.has("3", tags={"tidegate_source_workspace": "mlw-dev"})
    installation.ml.models.archive(register.model, "1")

    assert register.found() == ["2"]


def test_what_came_while_there_was_no_policy_is_left_alone(register: Register) -> None:
    register.has("1")
    register.found()
    register.judged("1")
    register.found(policy=False)
    register.has("2", "3")
    register.clock.move(hours=1)

    assert register.found() == ["3"]


def test_only_the_newest_are_looked_at(register: Register) -> None:
    register.found()
    register.has(*(str(number) for number in range(1, 23)))

    assert register.found() == [str(number) for number in range(3, 23)]


def test_a_model_that_azure_ml_does_not_tell_of_holds_up_no_other(
    register: Register, installation: ModelInstallation
) -> None:
    register.has("1")
    installation.cloud.fault(
        "request", "status", match={"path": f"*/{MODEL}/versions*"}, value=503, times=None
    )

    try:
        assert register.found() == ["1"]
    finally:
        installation.cloud.clear_faults()


def test_a_policy_is_dated_some_minutes_back_as_the_timer_comes_late(register: Register) -> None:
    register.has("1", "2")
    register.clock.now += timedelta(minutes=5)

    assert register.found() == ["1", "2"]
