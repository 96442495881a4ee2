"""Bad input, without I/O: what events.parse and Routes make of it. Nothing may raise."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.bad_input import CASES, Case
from tests.tidegate_yml import a_config

from tidegate.events import parse
from tidegate.routes import Ignore, Record, Reject, Routes, Send

NOW = datetime(2026, 11, 21, 2, 10, tzinfo=UTC)
ANSWERS = {Send: "sent", Record: "recorded", Reject: "rejected", Ignore: "ignored"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_answered_as_the_table_says(case: Case) -> None:
    routes = Routes(a_config(), timedelta(seconds=10))

    meanings = [routes.meaning(event, NOW) for event in parse(case.payload)]

    assert [ANSWERS[type(meaning)] for meaning in meanings] == case.answers
    assert [_shown(meaning) for meaning in meanings if isinstance(meaning, Send)] == case.commands


def _shown(send: Send) -> dict[str, Any]:
    shown = send.command.model_dump(exclude={"cause", "tries", "first_tried"})
    return shown | {"due": shown["due"] is not None} if "due" in shown else shown
