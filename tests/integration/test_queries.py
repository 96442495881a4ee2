"""The queries of alerts and workbook, run on the lines that the service really logs."""

import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb_kql
import pytest

from tidegate.bootstrap import Service
from tidegate.cloud.notification_sender import NotificationSender
from tidegate.domain.activities.channel_texts import Message
from tidegate.domain.unfinished import KINDS
from tidegate.messages.commands import CheckJob, Reconcile
from tidegate.messages.queue_messages import encode

QUERIES = Path(__file__).parents[2] / "infra/queries"


class Lines:
    """Log lines as the table `traces` of Application Insights."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        self._connection = duckdb_kql.connect()
        self._connection.sql("CREATE TABLE traces (timestamp TIMESTAMP, message VARCHAR)")
        for record in records:
            if record.name.startswith("tidegate"):
                at = datetime.utcfromtimestamp(record.created)
                self._connection.execute("INSERT INTO traces VALUES (?, ?)", [at, record.getMessage()])

    def query(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a query of infra/queries by their columns."""
        rows = duckdb_kql.query(self._connection, (QUERIES / f"{name}.kql").read_text())
        return [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]


@pytest.fixture
def lines(service: Service, caplog: pytest.LogCaptureFixture) -> Lines:
    """The lines of two ticks of the timer, of a command that crashed the service, and of a bad channel."""
    caplog.set_level(logging.INFO)
    tick = encode(Reconcile(cause="timer-1"))
    service.worker.carry_out(tick)
    service.worker.give_up(encode(CheckJob(cause="c", workspace="development", job="score-a-202611-1-g1-a1")))
    service.worker.carry_out(tick)
    NotificationSender().send("json://127.0.0.1:1/x", Message("a title", "a text"))
    return Lines(caplog.records)


def test_each_query_reads_the_lines_of_the_service(lines: Lines) -> None:
    assert len(lines.query("dead_man")) == 2
    [failure] = lines.query("failures")
    [poison] = lines.query("dead_letters")
    unfinished = {row["work"]: row for row in lines.query("unfinished")}
    [channel] = lines.query("channels")
    activity = {(row["line"], row["command"]): row["lines"] for row in lines.query("activity")}

    assert (failure["line"], failure["subject"]) == (
        "failure_recorded",
        "development:score-a-202611-1-g1-a1",
    )
    assert poison["line"] == "poison_message_taken"
    assert set(unfinished) <= set(KINDS)
    assert unfinished["failed"]["items"] == 1
    assert unfinished["failed"]["oldest"] == "CheckJob:development:score-a-202611-1-g1-a1"
    assert unfinished["failed"]["oldest_s"] >= 0
    assert (channel["scheme"], channel["failures"]) == ("json", 1)
    assert activity["command_carried_out", "Reconcile"] == 2


def test_there_is_a_test_for_every_query() -> None:
    assert {file.stem for file in QUERIES.glob("*.kql")} == {
        "activity",
        "channels",
        "dead_letters",
        "dead_man",
        "failures",
        "unfinished",
    }
