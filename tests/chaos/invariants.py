"""What must hold after a chaos run, by Azure's own record: blobs, assets, jobs, models, notifications."""

import csv
import json
from collections import Counter
from collections.abc import Iterator

from tests.chaos.run import Chaos
from tests.support.azure_clients import ml_client
from tests.support.model_versions import MODEL, POLICY
from tidegate.domain.lifecycle.records import ModelState
from tidegate.domain.partitions.names import predictions_path, result_order
from tidegate.domain.partitions.records import Partition, ScoringState


def broken(chaos: Chaos) -> list[str]:
    """Return a sentence for each broken invariant."""
    records = {record.partition: record for record in chaos.running.service.ledger.partitions("stories")}
    return [
        *(["work is left after 30 hours without faults"] if chaos.unfinished else []),
        *_jobs(chaos, records),
        *(sentence for month in chaos.files for sentence in _month(chaos, month, records.get(month))),
        *_requests(chaos, records),
        *_failures(chaos),
        *_notifications(chaos),
        *_models(chaos),
    ]


def _jobs(chaos: Chaos, records: dict[str, Partition]) -> Iterator[str]:
    for name in chaos.doubles:
        yield f"two jobs of {name} were live at the same time"
    claims = {claim.name: claim for record in records.values() for claim in record.claims}
    attempts: dict[str, list[int]] = {}
    for job, status in chaos.installation.jobs().items():
        name, _, attempt = job.removeprefix("score-stories-").rpartition("-a")
        attempts.setdefault(name, []).append(int(attempt))
        if status not in ("Completed", "Failed", "Canceled"):
            yield f"{job} is still {status}"
    for name, numbers in attempts.items():
        if name not in claims:
            yield f"{name} has a job but is no generation in the ledger"
        elif sorted(numbers) != list(range(1, len(numbers) + 1)):
            yield f"{name} has the attempts {sorted(numbers)}"


def _month(chaos: Chaos, month: str, record: Partition | None) -> Iterator[str]:
    if record is None or record.latest is None:
        yield f"{month} was uploaded, and the ledger does not have it"
        return
    latest, scored = (
        record.latest,
        [claim.name for claim in record.claims if claim.generation.state is ScoringState.SCORED],
    )
    for claim in record.claims:
        if not claim.generation.state.final:
            yield f"{claim.name} is still {claim.generation.state}"
    manifest = chaos.installation.blobstore.download_blob(latest.manifest_path).readall().decode()
    names = {json.loads(line)["name"] for line in manifest.splitlines()}
    if names != set(chaos.files[month]):
        yield f"{month}-{latest.number} has the files {sorted(names)}; there are {sorted(chaos.files[month])}"
    if record.result is None or record.result != max(scored, key=result_order, default=None):
        yield f"the result of {month} is {record.result}; scored are {scored}"
        return
    if not record.result.startswith(f"{month}-{latest.number}-"):
        yield f"the result of {month} is {record.result}, not one of its version {latest.number}"
        return
    version, generation = result_order(record.result)
    path = f"{predictions_path('stories', month, version, generation)}predictions.csv"
    text = chaos.installation.blobstore.download_blob(path).readall().decode()
    rows = sorted((row["img"], row["label"]) for row in csv.DictReader(text.splitlines()))
    if rows != sorted(chaos.files[month].items()):
        yield f"{record.result} has the rows {rows}; the files are {sorted(chaos.files[month].items())}"
    ml = chaos.installation.ml
    versions = {data.version for data in ml.data.list(name="stories") if data.version.startswith(month)}
    if versions != {f"{month}-{number + 1}" for number in range(len(record.versions))}:
        yield f"the Data asset has {sorted(versions)}; the ledger has {len(record.versions)} versions"
    assets = ml.data.list(name="stories-predictions")
    published = {data.version for data in assets if data.version.startswith(month)}
    if published != set(scored):
        yield f"the Data asset of predictions has {sorted(published)}; scored are {sorted(scored)}"


def _requests(chaos: Chaos, records: dict[str, Partition]) -> Iterator[str]:
    for key, month in chaos.keys.items():
        claims = records[month].claims if month in records else []
        found = [claim.name for claim in claims if claim.generation.idempotency_key == key]
        if len(found) != 1:
            yield f"the re-run {key} of {month} was accepted, and its generations are {found}"


def _failures(chaos: Chaos) -> Iterator[str]:
    every = chaos.running.get("/api/failures?all=true")
    for failure in every:
        if not failure["replayed_at"]:
            yield f"a failure is left: {failure['title']}: {failure['text'][:200]}"
    kept = json.dumps(every)
    for cause in chaos.poison:
        if cause not in kept:
            yield f"the message {cause} died, and no failure says so"


def _notifications(chaos: Chaos) -> Iterator[str]:
    ledger, sent = chaos.running.service.ledger, json.dumps(chaos.installation.notifications())
    for month in chaos.files:
        activities = ledger.activities(f"stories:{month}")
        for activity in activities:
            about_notification = activity.data.get("command", {}).get("kind") == "Notify"
            # A notification about a delayed notification would be delayed, too, so it is recorded only.
            if not about_notification and json.dumps(activity.title) not in sent:
                yield f"nobody was notified: {activity.title}"
        for id, count in Counter(activity.id for activity in activities).items():
            if count > 1:
                yield f"{id} of {month} is recorded {count} times"


def _models(chaos: Chaos) -> Iterator[str]:
    ledger, minimum = chaos.running.service.ledger, POLICY["gate"]["metrics"]["accuracy"]["min"]
    model = ledger.model(MODEL)
    for copy in ml_client(chaos.installation.production.id).models.list(MODEL):
        record = ledger.model_version(MODEL, str(copy.tags["tidegate_source_version"]))
        if record is None or record.verdict is None or not record.verdict.passed:
            yield f"{MODEL}:{copy.version} is in production without a verdict that it passed"
    for number, accuracy in chaos.accuracies.items():
        record = ledger.model_version(MODEL, number)
        if record is None or record.verdict is None:
            yield f"{MODEL}:{number} was registered and not judged"
            continue
        if record.verdict.passed and accuracy < minimum:
            yield f"{MODEL}:{number} passed with the accuracy {accuracy}"
        if record.state in (ModelState.PROMOTING, ModelState.EVALUATING, ModelState.REGISTERED):
            yield f"{MODEL}:{number} is still {record.state}"
    if model.rolling:
        yield f"the promotion of {MODEL} is still reserved by {model.rolling}"
    if model.champion and chaos.accuracies[model.champion.source] < minimum:
        yield f"the champion {model.champion.source} did not pass"
