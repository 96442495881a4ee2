"""Rows of the ledger for the pages: partitions, jobs, model versions and activities, put there directly."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.records import a_claim, a_job
from tidegate.bootstrap import Service
from tidegate.cloud.table_rows import columns_of
from tidegate.domain.activities.activity import Activity
from tidegate.domain.jobs.records import Limit, StuckRun
from tidegate.domain.ledger_record import LedgerRecord
from tidegate.domain.lifecycle.records import Champion, Model, ModelState, ModelVersion
from tidegate.domain.lifecycle.rollout_records import HealthFigures, RolloutRecord, RolloutStep
from tidegate.domain.lifecycle.training_records import SignalRecord
from tidegate.domain.lifecycle.verdict_records import RuleResult, Verdict
from tidegate.domain.partitions.left_out import LeftOut, NamedFiles
from tidegate.domain.partitions.records import Partition, ScoringOutcome, ScoringState
from tidegate.domain.partitions.standing import may_need_attention
from tidegate.domain.pauses import Pause

NOW = datetime(2026, 11, 21, 2, 10, tzinfo=UTC)
POLICY = {
    "evaluate": {"pipeline": "evaluation", "data": "holdout:4", "compute": "cpu"},
    "gate": {"metrics": {"accuracy": {"min": 0.8}}},
    "promote": {"to": "production", "approval": "required", "within": "3d"},
}
RULES = [
    RuleResult(rule="min", metric="accuracy", value=0.91, threshold=0.8, passed=True, why="0.91 >= 0.8"),
    RuleResult(
        rule="min",
        metric="accuracy",
        slice="night",
        value=0.84,
        threshold=0.8,
        passed=True,
        why="0.84 >= 0.8",
    ),
]


def save_all(service: Service, records: list[LedgerRecord]) -> None:
    """Insert rows, several at a time."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(service.ledger.save, records))


def insert_partitions(service: Service, records: list[Partition]) -> None:
    """Insert partitions of one feed in transactions, because a request for each takes long."""
    rows = [
        {"PartitionKey": record.feed, "RowKey": record.partition, "attention": may_need_attention(record)}
        | columns_of(record)
        for record in records
    ]
    _insert(service, "tidegatePartitions", rows)


def insert_versions(service: Service, records: list[ModelVersion]) -> None:
    """Insert versions of one model in transactions."""
    rows = [
        {"PartitionKey": record.model, "RowKey": record.version, "final": record.state.final}
        | columns_of(record)
        for record in records
    ]
    _insert(service, "tidegateModelVersions", rows)


def _insert(service: Service, table: str, rows: list[dict[str, Any]]) -> None:
    from azure.data.tables import TableClient

    endpoint = f"https://{service.settings.storage_account}.table.core.windows.net"
    client = TableClient(endpoint, table, credential=service.credential)
    for start in range(0, len(rows), 100):
        client.submit_transaction([("create", row) for row in rows[start : start + 100]])


def a_partition(partition: str, state: str = "scored", feed: str = "digits", **changes: Any) -> Partition:
    """Return a partition whose newest scoring is in a state. A failed one has published an earlier result."""
    outcome = ScoringOutcome(
        files=3, rows=3, labels={"0": 1, "7": 2}, mean_score=0.9, csv="https://st.blob.core.windows.net/a.csv"
    )
    ended = {"ended_at": NOW, "job": f"score-{feed}-{partition}-1-g1-a1"}
    error = "the step score ran out of memory" if state == "failed" else None
    number = 2 if state == "failed" else 1
    claim = a_claim(
        feed,
        number=number,
        state=ScoringState(state),
        error=error,
        claimed_at=NOW - timedelta(hours=1),
        **ended,
    )
    record = claim.record.model_copy(update={"partition": partition, **changes})
    earlier = claim.generation.model_copy(
        update={"number": 1, "state": ScoringState.SCORED, "error": None, "outcome": outcome}
    )
    if state == "failed":
        claim.version.generations.insert(0, earlier)
    elif state == "scored":
        claim.generation.outcome = outcome
    if state in ("failed", "scored"):
        record.result = f"{partition}-1-g1"
    return record


def a_version(
    model: str,
    version: str,
    state: str = "passed",
    judged_at: datetime = NOW - timedelta(hours=3),
    **changes: Any,
) -> ModelVersion:
    """Return a version of a model that the gate has let pass."""
    verdict = Verdict(
        id=f"{model}-{version}-a1b2",
        passed=state != "refused",
        mode="enforce",
        rules=RULES,
        data="holdout:4",
        champion="2",
        job=f"judge-{model}-{version}",
        at=judged_at,
    )
    return ModelVersion(
        model=model,
        version=version,
        state=ModelState(state),
        verdict=verdict,
        **{"registered_at": NOW - timedelta(days=1), **changes},
    )


def an_activity(number: int, subject: str = "digits:202610", **changes: Any) -> Activity:
    values = {
        "subject": subject,
        "id": f"a{number}",
        "kind": "partition.scored",
        "at": NOW - timedelta(minutes=number),
        "title": f"digits 202610 is scored ({number})",
        "text": "3 files, 3 rows.",
        "cause": "test",
        **changes,
    }
    return Activity(**values)


def _scored(number: int, month: str) -> Activity:
    title = f"digits {month} is scored with classifier:2"
    return an_activity(number, f"digits:{month}", at=NOW - timedelta(days=30 * (number - 2)), title=title)


def an_estate(service: Service) -> None:
    """Fill the ledger with something of each kind that the pages show."""
    stuck = StuckRun(
        limit=Limit.START,
        run="score",
        state="Queued",
        since=NOW - timedelta(hours=4),
        allowed_s=3600,
        noticed_at=NOW,
    )
    left_out = LeftOut(only="*.png", not_matching=NamedFiles.of(["notes.txt", "<b>.txt"]))
    months = [f"2026{month:02}" for month in range(1, 9)]
    rollout = RolloutRecord(
        endpoint="classifier",
        deployment="v3",
        before="v2",
        phase="traffic",
        began_at=NOW - timedelta(hours=2),
        steps=[
            RolloutStep(
                percent=percent,
                began_at=NOW - timedelta(hours=2 - number),
                health=HealthFigures(
                    requests=900 + number, errors=number, error_rate=0.001, p95_ms=80 + number
                ),
            )
            for number, percent in enumerate((10, 50))
        ],
    )
    save_all(
        service,
        [
            *(a_partition(month) for month in months),
            a_partition("202609", "failed", left_out=left_out),
            Partition(feed="digits", partition="202610", deadline_announced=True, listed_files=2),
            a_job(name="score-digits-202611-1-g1-a1", status="Running", stuck=[stuck]),
            a_job(name="judge-classifier-4", subject="classifier:4", kind="evaluation", status="Running"),
            Model(
                model="classifier",
                champion=Champion(version="5", source="2", since=NOW - timedelta(days=9), by="verdict"),
                previous=Champion(version="4", source="1", since=NOW - timedelta(days=30), by="verdict"),
                rolling="3",
                signals=[
                    SignalRecord(id="s", source="measurement", at=NOW, breached=True, why="40% differs")
                ],
            ),
            a_version("classifier", "1", "retired"),
            a_version("classifier", "2", "champion"),
            a_version("classifier", "3", "challenger", rollout=rollout),
            a_version("classifier", "4", "passed"),
            a_version("classifier", "5", "refused"),
            Pause(target="feed:digits", by="aiko@contoso.com", reason="new cameras", since=NOW),
            an_activity(
                1,
                "digits:202609",
                kind="work.failed",
                title="CheckPartition digits 202609 failed",
                text="The container does not exist.",
                data={"command": {"kind": "CheckPartition", "feed": "digits", "partition": "202609"}},
            ),
            an_activity(
                2, kind="work.failed", title="Replayed long ago", data={"command": {}}, replayed_at=NOW
            ),
        ],
    )
    for activity in [_scored(number, month) for number, month in enumerate(reversed(months), start=3)]:
        service.ledger.add_activity(activity)
        service.ledger.list_activity(activity)
