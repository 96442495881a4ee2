"""Months are scored with the champion: as the feed's workspace has it, and for good once they are claimed."""

from typing import Any
from uuid import uuid4

import pytest
from tests.support import config_yaml
from tests.support.api_requests import Api, content
from tests.support.installation import MLMODEL, QUICK
from tests.support.promotions import Promotions

from tidegate.domain.partitions.records import Generation, Partition, PartitionVersion
from tidegate.errors import NotFoundError
from tidegate.service.steps.generation_claims import GenerationClaims, ScoringRequest


def _claim(promotions: Promotions, model: str | None = None, **score: Any) -> Generation:
    if score:
        feed = config_yaml.a_feed(promotions.account)
        promotions.configure_feed(feed | {"score": feed["score"] | score})
    service = promotions.start()
    partition = service.ledger.partition("digits", "202611")
    if not partition.versions:
        partition.versions = [
            PartitionVersion(
                number=1,
                manifest_hash="m",
                manifest_path="m",
                files=1,
                bytes=1,
                reason="marker",
                snapshot_at=promotions.clock(),
                registered=True,
            )
        ]
        service.ledger.save(partition)
    claims = GenerationClaims(context=service)
    key = str(uuid4())  # the earlier generations of the version are live
    request = ScoringRequest(
        feed="digits", partition="202611", model=model, reason="test", idempotency_key=key
    )
    return claims.claim(request).generation


def _partition(promotions: Promotions) -> Partition:
    return promotions.service.ledger.partition("digits", "202611")


def test_without_a_champion_months_wait(promotions: Promotions) -> None:
    promotions.version("7", approved=False)

    with pytest.raises(NotFoundError, match="classifier has no champion yet"):
        _claim(promotions)


def test_the_champion_scores_and_not_the_newest(promotions: Promotions) -> None:
    promotions.version("7")
    promotions.promote("7")
    promotions.register("8")

    assert _claim(promotions).model_version == "7"
    assert _claim(promotions, model="classifier:8").model_version == "8"


def _rerun(promotions: Promotions) -> tuple[int, dict[str, Any]]:
    """A person asks for it over HTTP."""
    service = promotions.start()
    path, body = "/api/feeds/digits/partitions/202611/jobs", {"reason": "new labels"}
    answer = Api(lambda: service).post(path, body, idempotency_key="a-rerun")
    return answer.status_code, content(answer)


def test_a_rerun_takes_the_champion_too_and_not_the_newest(promotions: Promotions) -> None:
    from azure.ai.ml import load_component
    from azure.ai.ml.entities import Environment

    promotions.mlmodel = MLMODEL
    promotions.version("7")
    promotions.promote("7")
    _claim(promotions)
    promotions.register("8")
    promotions.ml.environments.create_or_update(Environment(name="quick", version="1", image="python:3.11"))
    promotions.ml.components.create_or_update(
        load_component(QUICK, params_override=[{"name": "image_scoring"}]), version="1"
    )

    status, scoring = _rerun(promotions)

    assert (status, scoring["model"]) == (202, "classifier:7")


def test_a_rerun_without_a_champion_is_refused_and_claims_nothing(promotions: Promotions) -> None:
    promotions.version("7", approved=False)
    _claim(promotions, model="classifier:7")

    status, problem = _rerun(promotions)

    assert status == 422
    assert "classifier has no champion yet" in problem["detail"]
    assert len(_partition(promotions).claims) == 1


def test_a_claimed_month_keeps_its_model(promotions: Promotions) -> None:
    for version in ("7", "8"):
        promotions.version(version)
        promotions.promote(version)
        _claim(promotions)
    promotions.rollback("7")
    _claim(promotions)

    assert [claim.generation.model_version for claim in _partition(promotions).claims] == ["7", "8", "7"]


def test_in_production_it_is_the_version_there(promotions: Promotions) -> None:
    promotions.version("7")
    promotions.promote("7")
    model = promotions.model
    assert model.champion is not None
    model.champion.version = "production-7"
    promotions.service.ledger.save(model)

    assert _claim(promotions).model_version == "7"
    assert _claim(promotions, workspace="production").model_version == "production-7"


def test_a_model_that_nothing_promotes_is_scored_in_its_newest_version(promotions: Promotions) -> None:
    promotions.configure(gate={"mode": "observe", "metrics": {"accuracy": {"min": 0.8}}})
    promotions.register("7")
    promotions.register("8")

    assert _claim(promotions).model_version == "8"
