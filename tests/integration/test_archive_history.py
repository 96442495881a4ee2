"""The history in the lake: tables for other programs, and old activities, each of them exactly once."""

from collections import Counter
from pathlib import Path

import duckdb
import pytest
from tests.support import config_yaml
from tests.support.promotions import MODEL, Promotions
from tests.support.records import a_claim

from tidegate.cloud.history_rows import HistoryRows
from tidegate.domain.activities.activity import Activity
from tidegate.domain.assets import BLOBSTORE
from tidegate.domain.effects import Act
from tidegate.domain.history_tables import MovedRow
from tidegate.errors import TransientError
from tidegate.messages.commands import AnyCommand, ArchiveHistory, Origin
from tidegate.service.handlers.archive_history import ArchiveHistoryHandler
from tidegate.service.steps.due_work import due_archive

ARCHIVE = ArchiveHistory(cause="timer-1", day="20281101")


class Lake:
    """The history of an installation, whose clock is 500 days after what is in its ledger."""

    def __init__(self, promotions: Promotions, folder: Path) -> None:
        self.promotions, self.folder = promotions, folder
        config_yaml.change(promotions.config_file, retention={"activities": "400d"})
        self.service = promotions.start()
        for number in range(5):
            self.add("done", number)
        self.add("open", 0, kind="work.failed")
        promotions.clock.move(days=500)

    def add(self, id: str, number: int, kind: str = "partition.scored") -> None:
        now = self.promotions.clock()
        texts = {"title": "t", "text": "t", "cause": f"event-{number}"}
        activity = Activity(subject=f"digits:20260{number + 1}", id=id, kind=kind, at=now, **texts)
        self.service.ledger.add_activity(activity)
        self.service.ledger.list_activity(activity)

    def archive(self) -> None:
        """Carry out the command and all that follow."""
        commands: list[AnyCommand] = [ARCHIVE]
        while commands:
            follows = ArchiveHistoryHandler(self.service, self.service.indexes).handle(commands.pop())  # type: ignore[arg-type]
            commands += [follow.command for follow in follows]

    def kept(self) -> list[str]:
        """Return the subjects of the activities in the ledger."""
        subjects = (f"digits:20260{number + 1}" for number in range(5))
        return [one.subject for subject in subjects for one in self.service.ledger.activities(subject)]

    def moved(self, table: str = "activities") -> Counter[str]:
        """Return how often each subject is in the Parquet files of the lake."""
        files = self.read(f"history/{table}/")
        rows = [duckdb.sql(f"SELECT subject FROM '{file}'").fetchall() for file in files]
        return Counter(subject for found in rows for (subject,) in found)

    def read(self, prefix: str) -> list[Path]:
        container = self.service.development.datastores._container(BLOBSTORE)
        paths = []
        for name in container.list_blob_names(name_starts_with=prefix):
            path = self.folder / name.replace("/", "_")
            path.write_bytes(container.download_blob(name).readall())
            paths.append(path)
        return paths


@pytest.fixture
def lake(promotions: Promotions, tmp_path: Path) -> Lake:
    return Lake(promotions, tmp_path)


class KilledError(Exception):
    """The process ends here."""


ONCE = {f"digits:20260{number + 1}": 1 for number in range(5)}


def test_old_activities_move_to_the_lake_once_and_open_failures_stay(lake: Lake) -> None:
    lake.promotions.version("7")

    lake.archive()
    lake.archive()

    assert lake.moved() == ONCE
    assert lake.kept() == ["digits:202601"]  # the failure
    assert lake.moved("effects").total() == 6  # where each activity is
    assert len(lake.service.ledger.newest_activities(20)) == 1
    [verdicts] = lake.read("history/tables/verdicts")
    columns = "model, model_version, verdict, passed, approved_by, decided_at"
    [row] = duckdb.sql(f"SELECT {columns} FROM '{verdicts}'").fetchall()
    assert row[:5] == (MODEL, "7", "e1-7", True, "ada")
    assert {path.name for path in lake.read("history/tables/")} == {
        f"history_tables_{name}.parquet" for name in ("jobs", "members", "partitions", "verdicts")
    }


def test_what_moved_is_explained_from_the_lake(lake: Lake) -> None:
    ledger, explain = lake.service.ledger, lake.service.explain
    moved = ledger.activities("digits:202602")[0]
    act = Act(
        "event-1", "CheckPartition", moved.at, Origin(what="Microsoft.Storage.BlobCreated", first="e-1")
    )
    ledger.effects.add(act.effect("digits:202602"))
    since = {"snapshot_at": moved.at, "cause": "event-1"}
    record = a_claim("digits").record
    record.versions[0] = record.versions[0].model_copy(update=since)
    ledger.save(record)
    lake.archive()
    assert ledger.effects.of("event-1") == []

    by_id, by_cause = explain.explain(moved.short_id), explain.explain("event-1")
    of_files = explain.explain("digits:202611")

    assert {node.title for node in by_id.graph.nodes} == {"t", "Microsoft.Storage.BlobCreated"}
    assert by_id.about in {node.id for node in by_cause.graph.nodes}
    causes = [node for node in of_files.graph.nodes if node.kind == "cause"]
    assert [(cause.title, cause.facts["first"]) for cause in causes] == [
        ("Microsoft.Storage.BlobCreated", "e-1")
    ]


@pytest.mark.parametrize(
    "killed_after", [1, 5, *(pytest.param(n, marks=pytest.mark.long) for n in (0, 2, 3, 8))]
)
def test_a_kill_in_between_loses_and_doubles_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    writes = 0

    def counted(name: str) -> None:
        original = getattr(HistoryRows, name)

        def call(self: HistoryRows, *arguments: object) -> None:
            nonlocal writes
            if writes == killed_after:
                writes += 1
                raise KilledError
            writes += 1
            original(self, *arguments)

        monkeypatch.setattr(HistoryRows, name, call)

    for name in ("save", "delete", "end"):
        counted(name)
    with pytest.raises(KilledError):
        lake.archive()

    assert lake.moved() + Counter(set(lake.kept()) - {"digits:202601"}) >= Counter(
        {subject: 1 for subject in ONCE if subject != "digits:202601"}
    )
    lake.archive()

    assert lake.moved() == ONCE
    assert lake.kept() == ["digits:202601"]


def test_nothing_is_deleted_if_the_file_is_not_what_was_written(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    datastores = type(lake.service.development.datastores)
    monkeypatch.setattr(datastores, "read", lambda *_: b"PAR1 of somebody else")

    with pytest.raises(TransientError, match="nothing is deleted"):
        lake.archive()

    assert len(lake.kept()) == 6


def test_a_row_that_was_changed_since_it_was_copied_stays(lake: Lake) -> None:
    rows = lake.service.ledger.history
    [first, *_] = rows.old("activities", lake.promotions.clock(), 10)
    copied = MovedRow(partition=first.partition, row=first.row, etag=str(first.record.etag))
    lake.service.ledger.save(first.record)

    rows.delete("activities", copied)

    assert len(lake.kept()) == 6


def test_the_timer_sends_the_command_once_a_day_and_only_if_it_is_configured(lake: Lake) -> None:
    now = lake.promotions.clock().replace(hour=1, minute=58)
    config = lake.service.config()

    def ticks(times: int) -> list[AnyCommand]:
        moments = [now.replace(minute=58)] + [now.replace(hour=2, minute=3 + 5 * n) for n in range(times)]
        return [command for at in moments for command in due_archive(config, at, "timer")]

    assert len(ticks(11)) == 1
    without = config.model_copy(update={"retention": None})
    assert list(due_archive(without, now.replace(hour=2), "timer")) == []
