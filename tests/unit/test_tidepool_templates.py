"""Templates: the JSON that Azure Resource Manager accepts, and the expressions of the SDK's own templates."""

import json
from importlib.resources import files

import pytest

from tidepool.arm.expressions import FunctionCall, Literal, Member, expressions, parse_expression
from tidepool.arm.requests import parse_json

SDK = files("azure.ai.ml") / "_arm_deployments" / "arm_templates"


@pytest.mark.parametrize(
    "text",
    [
        '{"properties": {"template": {"a": "http://x /* no */ template: 1"}}}',
        '{"properties": {template: {"a": "http://x /* no */ template: 1"}}}',
        '{"properties": {template : { // the name of "a"\n "a": /* , */ "http://x /* no */ template: 1"}}}',
    ],
)
def test_comments_and_a_bare_name_are_accepted(text: str) -> None:
    assert parse_json(text) == {"properties": {"template": {"a": "http://x /* no */ template: 1"}}}


def test_other_texts_are_no_json() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        parse_json("{templates: {}}")


@pytest.mark.parametrize("name", ["workspace_base", "workspace_project", "feature_store_role_assignments"])
def test_each_function_of_the_templates_of_the_sdk_is_known(name: str) -> None:
    template = json.loads((SDK / f"{name}.json").read_text())

    assert list(expressions(template))


def test_members_and_quotes_are_parsed() -> None:
    assert parse_expression("[reference('it''s').keys[0].value]") == Member(
        Member(Member(FunctionCall("reference", (Literal("it's"),)), Literal("keys")), Literal(0)),
        Literal("value"),
    )
