"""What a model's policy promises where keys meet each other."""

from typing import Any

import pytest
from pydantic import ValidationError
from tests.support import config_yaml

from tidegate.config.model_policy import Policy
from tidegate.config.schema import Config

POLICY: dict[str, Any] = {
    "evaluate": {"data": "holdout:4", "compute": "cpu"},
    "gate": {"metrics": {"accuracy": {"min": 0.8}}},
    "promote": {"to": "production"},
}


@pytest.mark.parametrize(
    ("changes", "promotes"),
    [({}, True), ({"promote": None}, False), ({"gate": {**POLICY["gate"], "mode": "observe"}}, False)],
    ids=["promotes", "only judges", "only observes"],
)
def test_only_a_policy_that_promotes_ever_has_a_champion(changes: dict[str, Any], promotes: bool) -> None:
    assert Policy.model_validate({**POLICY, **changes}).promotes is promotes


def test_a_feed_in_production_cannot_be_scored_with_what_is_only_in_a_registry() -> None:
    feed = config_yaml.a_feed()
    values = config_yaml.values(digits=feed | {"score": {**feed["score"], "workspace": "production"}})
    shared = {**POLICY, "promote": {"via": "registry", "registry": "shared"}}

    assert Config.model_validate({**values, "models": {"classifier": POLICY}})
    with pytest.raises(ValidationError, match="production has no version of this model"):
        Config.model_validate({**values, "models": {"classifier": shared}})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"gate": {"metrics": {"accuracy": {"min": None}}}}, "give at least one of min, max"),
        ({"gate": {"metrics": {"accuracy": {"higher_is_better": False}}}}, "give at least one of min, max"),
        ({"drift": {"feed": "digits", "breaches": 3, "of_last": 2}}, "breaches: 3 is more than of_last: 2"),
        (
            {"gate": {"metrics": {"accuracy": {"min": 0.9, "max": 0.8}}}},
            "min: 0.9 is above max: 0.8",
        ),
        ({"promote": {"registry": "shared"}}, "registry is only for via: registry"),
        ({"evaluate": {"data": "holdout", "compute": "cpu"}}, "write the name and version of a Data asset"),
        (
            {"rollout": {"endpoint": "Digits", "smoke": "smoke.json"}},
            "write the name of an endpoint: 3 to 32",
        ),
    ],
)
def test_what_asks_for_nothing_or_for_the_impossible_is_no_policy(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Policy.model_validate({**POLICY, **changes})


def test_two_models_cannot_share_an_endpoint() -> None:
    policy = {**POLICY, "rollout": {"endpoint": "one", "smoke": "smoke.json"}}

    with pytest.raises(ValidationError, match=r"models a and b are rolled out to the same endpoint one"):
        Config.model_validate(config_yaml.values() | {"models": {"a": policy, "b": policy}})
