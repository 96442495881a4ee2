# ruff: noqa: E501 - a table reads best with a case a line
"""Bad, odd and hostile events: what comes in, what becomes of it, and the command that is queued.

One table, read twice: purely (tests/unit/test_bad_input.py), and through storage (tests/integration/test_inbox.py).
"""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.payloads import (
    as_json,
    blob_event,
    cloud_event,
    event,
    learning_event,
    run_event,
    storage_id,
    workspace_id,
)

Answer = Literal["sent", "recorded", "rejected", "ignored"]
JOB = "score-digits-202611-1-g1-a1"
MARKER = {"kind": "CheckPartition", "feed": "digits", "partition": "202611", "due": False}
ARRIVAL = MARKER | {"due": True}
RUN = {"kind": "CheckJob", "workspace": "development", "job": JOB}
BREACH = (
    "The signal 'drift' has failed due to one or more features violating metric thresholds. The feature names and "
    'their corresponding computed metric values violating the threshold are \n[{"group": "age", "metric_va'
)


@dataclass(frozen=True)
class Case:
    """`commands` without cause; of a `due` time only whether there is one."""

    name: str
    payload: str
    answers: list[Answer]
    commands: list[dict[str, Any]] = field(default_factory=list)


def sent(name: str, payload: Any, *commands: dict[str, Any]) -> Case:
    return Case(name, _text(payload), ["sent"], list(commands))


def ignored(name: str, payload: Any) -> Case:
    return Case(name, _text(payload), ["ignored"])


def rejected(name: str, payload: Any) -> Case:
    return Case(name, _text(payload), ["rejected"])


def recorded(name: str, payload: Any) -> Case:
    return Case(name, _text(payload), ["recorded"])


def _text(payload: Any) -> str:
    return payload if isinstance(payload, str) else as_json(payload)


def _renamed(path: str, source: str, **changes: Any) -> dict[str, Any]:
    url = f"https://stimages.dfs.core.windows.net/images/{source}"
    return blob_event(path, kind="BlobRenamed", data={"sourceUrl": url}, **changes)


_URL = "https://evil.example/202611/a.png"
_SAS = "https://stimages.blob.core.windows.net/images/202611/a.png?sv=2024-11-04&sig=c2VjcmV0&se=2030-01-01"
_LONG = "202611/" + "a" * 1013 + ".png"
_PADDED = blob_event("202611/a.png", data={"contentType": "x" * 1_000_000})
_OTHER_SUBSCRIPTION = storage_id().replace("00000000-0000-4000", "11111111-0000-4000")

BLOBS = [
    sent("a file", blob_event("202611/a.png"), ARRIVAL),
    sent("a marker", blob_event("202611/_SUCCESS"), MARKER),
    sent("a list", blob_event("202611/files.txt"), MARKER),
    sent("in CloudEvents", cloud_event(blob_event("202611/a.png")), ARRIVAL),
    sent("a topic in another case", blob_event("202611/a.png", topic=storage_id().upper()), ARRIVAL),
    sent("an older sequencer after a newer one", blob_event("202611/a.png", data={"sequencer": "00"}), ARRIVAL),
    sent("subject and url that disagree", blob_event("202611/a.png", data={"url": _SAS[:-30] + "202001/b"}), ARRIVAL),
    sent("an url on another host", blob_event("202611/a.png", data={"url": _URL}), ARRIVAL),
    sent("a link-local url", blob_event("202611/a.png", data={"url": "http://169.254.169.254/metadata"}), ARRIVAL),
    sent("an url with a SAS", blob_event("202611/a.png", data={"url": _SAS}), ARRIVAL),
    sent("unicode", blob_event("202611/写真/é–😀.png"), ARRIVAL),
    sent("1,024 characters", blob_event(_LONG[:1020] + ".png"), ARRIVAL),
    sent("%2F inside a name", blob_event("202611/a%2Fb.png"), ARRIVAL),
    sent("1 MB", _PADDED, ARRIVAL),
    sent("an empty marker that is created", blob_event("202611/_SUCCESS", data={"api": "CreateFile", "contentLength": 0}), MARKER),
    sent("the flush after CreateFile", blob_event("202611/a.png", data={"api": "FlushWithClose"}), ARRIVAL),
    sent("SftpCommit", blob_event("202611/a.png", data={"api": "SftpCommit", "contentLength": 0}), ARRIVAL),
    sent("a blob that is deleted already", blob_event("202611/a.png", kind="BlobDeleted"), ARRIVAL),
    sent("a marker that is deleted", blob_event("202611/_SUCCESS", kind="BlobDeleted"), ARRIVAL),
    sent("a rename into the month", _renamed("202611/a.png", "upload/a.png"), ARRIVAL),
    sent("a rename out of the month", _renamed("trash/a.png", "202611/a.png"), ARRIVAL),
    Case("a rename from one month to the next", as_json(_renamed("202612/a.png", "202611/a.png")), ["sent", "sent"], [ARRIVAL | {"partition": "202612"}, ARRIVAL]),
    Case("a rename to a name that climbs", as_json(_renamed("202611/../a.png", "202612/a.png")), ["sent", "sent"], [ARRIVAL, ARRIVAL | {"partition": "202612"}]),
    Case("a rename to the marker", as_json(_renamed("202611/_SUCCESS", "202611/_tmp")), ["sent", "sent"], [MARKER, ARRIVAL]),
    sent("a folder that becomes the month", _renamed("202611", "upload") | {"eventType": "Microsoft.Storage.DirectoryRenamed"}, ARRIVAL),
    sent("a dead-lettered event that is replayed", blob_event("202611/a.png") | {"deadLetterReason": "MaxDeliveryAttemptsExceeded"}, ARRIVAL),
    ignored("CreateFile before the flush", blob_event("202611/a.png", data={"api": "CreateFile", "contentLength": 0})),
    ignored("a list that is created empty", blob_event("202611/files.txt", data={"api": "CreateFile", "contentLength": 0})),
    ignored("SftpCreate", blob_event("202611/a.png", data={"api": "SftpCreate", "contentLength": 0})),
    ignored("another account", blob_event("202611/a.png", topic=storage_id("stother"))),
    ignored("another subscription", blob_event("202611/a.png", topic=_OTHER_SUBSCRIPTION)),
    ignored("a workspace as the topic of a blob", blob_event("202611/a.png", topic=workspace_id())),
    ignored("another container", blob_event("202611/a.png", container="archive")),
    ignored("our dead letters", blob_event("BLOB-ARRIVED/2026/11/21/2/x.json", container="tidegate-deadletter")),
    ignored("our rejected events", blob_event("2026/11/21/x.json", container="tidegate-rejected")),
    ignored("our output", blob_event("predictions/digits/202611/1/g1/p.csv", container="azureml-blobstore-0")),
    ignored("outside the months", blob_event("readme.md")),
    ignored("the month inside another folder", blob_event("old/202611/a.png")),
    ignored("%2F in place of the slash", blob_event("202611%2Fa.png")),
    ignored("digits that are not ASCII", blob_event("２０２６１１/a.png")),
    ignored("a month before the feed starts", blob_event("202512/a.png")),
    ignored("a rename from another account", _renamed("trash/a.png", "202611/a.png") | {"data": {"sourceUrl": "https://stother.dfs.core.windows.net/images/202611/a.png"}}),
    ignored("a rename from a broken url", _renamed("trash/a.png", "x") | {"data": {"sourceUrl": "https://[::1/images"}}),
    ignored("an odd name outside the feeds", blob_event("x/../y", container="archive")),
    rejected("month 202613", blob_event("202613/a.png")),
    rejected("month 202600", blob_event("202600/a.png")),
    sent("..", blob_event("202611/../202612/a.png"), ARRIVAL),
    sent("%2e%2e", blob_event("202611/%2e%2e/202612/a.png"), ARRIVAL),
    sent("%2e%2e%2F", blob_event("202611/x%2F%2e%2e%2Fa.png"), ARRIVAL),
    sent("a name of 1,025 characters", blob_event(_LONG + "12345"), ARRIVAL),
    sent("a control character", blob_event("202611/a\nb.png"), ARRIVAL),
    sent("half a character", blob_event("202611/\ud800.png"), ARRIVAL),
    sent("half a character in a folder", blob_event("202611/\ud800/a.png"), ARRIVAL),
    rejected("a subject without a blob", blob_event("x") | {"subject": "/blobServices/default/containers/images"}),
    rejected("no subject", blob_event("x") | {"subject": None}),
    rejected("null data", blob_event("202611/a.png") | {"data": None}),
    rejected("data that is a list", blob_event("202611/a.png") | {"data": [1]}),
]  # fmt: skip

RUNS = [
    sent("null runTags and runType", run_event(JOB), RUN),
    sent("RunCompleted", run_event(JOB, kind="RunCompleted"), RUN),
    sent("in CloudEvents ", cloud_event(run_event(JOB)), RUN),
    sent("an unknown status", run_event(JOB, data={"runStatus": "Levitating"}), RUN),
    sent("a status that is no text", run_event(JOB, data={"runStatus": {"a": 1}}), RUN),
    sent("PascalCase", learning_event("RunCompleted", "", {"RunId": JOB, "RunStatus": "failed", "RunTags": {}}), RUN),
    sent("the run in the subject only", run_event(JOB, data={"runId": None}), RUN),
    sent("the production workspace", run_event(JOB, topic=workspace_id("mlw-prod")), RUN | {"workspace": "production"}),
    sent("a workspace in another case", run_event(JOB, topic=workspace_id("MLW-DEV")), RUN),
    ignored("a child run", run_event("2c1c1f0e-7a4f-4f5c-9c0a-0b8c4a1d2e3f")),
    ignored("somebody's run", run_event("score-digits")),
    ignored("our pattern with no month", run_event("score-digits-202613-1-g1-a1")),
    ignored("our pattern inside a longer name", run_event(JOB + "-x")),
    ignored("a workspace that is not ours", run_event(JOB, topic=workspace_id("mlw-other"))),
    ignored("a run of a storage account", run_event(JOB, topic=storage_id())),
    rejected("no run at all", learning_event("RunCompleted", "experiments/x", {"runTags": None})),
    recorded("a breach without runStatus Failed", run_event("step", data={"runTags": {"azureml_modelmonitor_threshold_breached": BREACH}})),
    recorded("a breach told at length", run_event("step", data={"runTags": {"azureml_modelmonitor_threshold_breached": BREACH * 4000}})),
    recorded("a name of 100,000 characters", learning_event("ModelRegistered", "", {"ModelName": "写" * 100_000, "ModelVersion": 1})),
    recorded("a deployment of many models", learning_event("ModelDeployed", "endpoints/many", {"ModelIds": "m:1," * 100_000})),
    recorded("an integer version", learning_event("ModelRegistered", "models/m:20", {"ModelName": "m", "ModelVersion": 20})),
    recorded("a string version", learning_event("ModelRegistered", "models/m:20", {"modelName": "m", "modelVersion": "20"})),
    recorded("a model in the subject only", learning_event("ModelRegistered", "models/m:20", {})),
    recorded("a deployment", learning_event("ModelDeployed", "endpoints/e", {"ServiceName": "e", "ModelIds": "m:1,m:2"})),
    recorded("drift of a retired monitor", learning_event("DatasetDriftDetected", "datadrifts/d/runs/r", {"DataDriftName": "d", "RunId": "r", "DriftCoefficient": 0.83})),
    rejected("a model without a name", learning_event("ModelRegistered", "models", {"modelVersion": True})),
]  # fmt: skip

_HANDSHAKE = {"validationCode": "512d38b6", "validationUrl": "https://169.254.169.254/validate?id=1"}
BODIES = [
    Case("an empty array", "[]", []),
    ignored("a validationUrl", event("Microsoft.EventGrid.SubscriptionValidationEvent", _HANDSHAKE)),
    ignored("a type that is not ours", event("Microsoft.Storage.BlobTierChanged", {})),
    Case(
        "an array with one poisonous event",
        json.dumps([blob_event("202611/_SUCCESS"), {"id": 3, "data": "x"}, 7, run_event(JOB)]),
        ["sent", "rejected", "rejected", "sent"],
        [MARKER, RUN],
    ),
    Case("duplicate ids", as_json(run_event(JOB), run_event(JOB)), ["sent", "sent"], [RUN, RUN]),
    rejected("no JSON", "<html>"),
    rejected("an empty body", ""),
    rejected("cut off", as_json(blob_event("202611/a.png"))[:-3]),
    rejected("nested too deeply", "[" * 200_000),
    rejected("a number", "42"),
    rejected("null", "null"),
    rejected("no id", blob_event("202611/a.png") | {"id": ""}),
    rejected("no type", blob_event("202611/a.png") | {"eventType": None}),
    rejected("no topic", blob_event("202611/a.png") | {"topic": None}),
    rejected("an id of 100,000 characters and no data", blob_event("202611/a.png") | {"id": "i" * 100_000, "data": 0}),
]  # fmt: skip

CASES = BLOBS + RUNS + BODIES
