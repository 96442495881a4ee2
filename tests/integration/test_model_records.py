"""Models and their versions in the ledger, on real storage."""

from datetime import UTC, datetime, timedelta

import pytest

from tidegate.bootstrap import Service
from tidegate.domain.lifecycle.records import Champion, ModelState, ModelVersion
from tidegate.errors import ConflictError

NOW = datetime(2026, 11, 21, 2, 10, tzinfo=UTC)


def _version(number: int, state: ModelState, model: str = "classifier") -> ModelVersion:
    at = NOW + timedelta(minutes=number)
    return ModelVersion(model=model, version=str(number), state=state, registered_at=at)


def test_a_model_is_fresh_until_it_was_saved(service: Service) -> None:
    model = service.ledger.model("classifier")
    assert model.etag is None
    model.champion = Champion(version="1", source="7", since=NOW, by="verdict")

    service.ledger.save(model)

    assert service.ledger.model("classifier") == model
    assert [model.model for model in service.ledger.models()] == ["classifier"]


def test_of_two_that_make_somebody_champion_one_looks_again(service: Service) -> None:
    first, second = (service.ledger.model("classifier") for _ in range(2))

    service.ledger.save(first)

    with pytest.raises(ConflictError):
        service.ledger.save(second)


def test_open_versions_are_those_that_are_not_final_yet(service: Service) -> None:
    states = [ModelState.PASSED, ModelState.REFUSED, ModelState.EVALUATING]
    for number, state in enumerate(states, start=9):
        service.ledger.save(_version(number, state))
    service.ledger.save(_version(1, ModelState.REGISTERED, model="other"))

    assert [record.version for record in service.ledger.model_versions("classifier")] == ["9", "11"]
    assert [record.version for record in service.ledger.model_versions("classifier", open_only=False)] == [
        "9",
        "10",
        "11",
    ]
    assert [record.model for record in service.ledger.model_versions()] == [
        "other",
        "classifier",
        "classifier",
    ]
    assert service.ledger.model_version("classifier", "12") is None
