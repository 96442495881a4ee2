"""Bad input, without I/O: what events.parse and Routes make of it. Nothing may raise."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.bad_input import CASES, JOB, Case
from tests.support.config_yaml import a_config
from tests.support.payloads import as_json, blob_event, learning_event, run_event

from tidegate.messages.commands import DELIVERY_FIELDS
from tidegate.messages.event_parser import parse
from tidegate.messages.queue_messages import decode, encode
from tidegate.service.meanings import Ignore, RecordActivity, Reject, Send
from tidegate.service.routing import Routes

NOW = datetime(2026, 11, 21, 2, 10, tzinfo=UTC)
ANSWERS = {Send: "sent", RecordActivity: "recorded", Reject: "rejected", Ignore: "ignored"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_answered_as_the_table_says(case: Case) -> None:
    routes = Routes(a_config(), timedelta(seconds=10))

    meanings = [meaning for event in parse(case.payload) for meaning in routes.meanings(event, NOW)]

    assert [ANSWERS[type(meaning)] for meaning in meanings] == case.answers
    assert [_shown(meaning) for meaning in meanings if isinstance(meaning, Send)] == case.commands


def _shown(send: Send) -> dict[str, Any]:
    shown = send.command.model_dump(exclude=DELIVERY_FIELDS)
    return shown | {"due": shown["due"] is not None} if "due" in shown else shown


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_kinds = st.sampled_from(
    [
        blob_event("202611/a.png"),
        run_event(JOB),
        learning_event("ModelRegistered", "models/m:3", {"ModelVersion": 3}),
    ]
)


@given(event=_kinds, changes=st.data())
def test_whatever_stands_in_an_event_it_is_answered_and_can_be_kept(
    event: dict[str, Any], changes: st.DataObject
) -> None:
    changed = event | {changes.draw(st.sampled_from(sorted(event))): changes.draw(_json)}
    data = event["data"] | {changes.draw(st.sampled_from(sorted(event["data"]))): changes.draw(_json)}
    routes = Routes(a_config(), timedelta(seconds=10))

    for payload in (as_json(changed), as_json(event | {"data": data}), as_json(changes.draw(_json))):
        for meaning in (meaning for one in parse(payload) for meaning in routes.meanings(one, NOW)):
            match meaning:
                case Send(command):
                    assert decode(encode(command)) == command
                case RecordActivity(activity):
                    assert activity.model_dump_json().encode()
                case Reject(about, reason):
                    assert about.encode()
                    assert reason.encode()
