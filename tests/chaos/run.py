"""A chaos run: the running service, users, and faults; then a calm time in which all work must end."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from azure.core.exceptions import ResourceNotFoundError

from tests.chaos.plan import SERVICES, Poison, Registration, Reruns, Step, Upload, steps
from tests.chaos.sabotage import sabotaged
from tests.support.azure_clients import queue_client
from tests.support.installation import SCORE, Running
from tests.support.model_versions import MODEL, ModelInstallation
from tests.support.package import app_folder
from tidegate.messages.commands import CheckPartition
from tidegate.messages.queue_messages import encode
from tidepool.cloud import Tidepool, UnsettledError
from tidepool.launch import TidepoolError

LEASE_S = 20  # in Azure ten minutes: the commands of an instance that died come back after this time
OUTAGE_S = 600
FINAL = {"Completed", "Failed", "Canceled"}
POISON_QUEUE = "tidegate-work-poison"
_LOOK_S = 150  # of the moved time
_OVERLAP_S = 3  # longer than a request that is cut or refused once takes to come again
# The service's own clock is not moved. It sends a notification again two minutes after its worker died.
_PAUSE_S = 3
LATE = {"then": "new_version", "quiet_for": "1s", "max_versions": 100}
PROMOTION = {"promote": {"to": "production", "approval": "none"}}

Report = Callable[[str], None]


@dataclass
class Chaos:
    """What users did and what was seen during a run, for the check of the invariants afterwards.

    `keys` maps the key of each re-run that was accepted to its month. `doubles` names two live jobs of one
    generation that were seen at the same time. `unfinished` means that work was left after the calm.
    """

    installation: ModelInstallation
    running: Running
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    accuracies: dict[str, float] = field(default_factory=dict)
    poison: list[str] = field(default_factory=list)
    doubles: list[str] = field(default_factory=list)
    unfinished: bool = False
    done: Counter[str] = field(default_factory=Counter)


@contextmanager
def run(
    cloud: Tidepool,
    folder: Path,
    *,
    seed: int,
    until: Callable[[int], bool],
    sabotage: str | None = None,
    report: Report = lambda _: None,
) -> Iterator[Chaos]:
    """Run the steps until `until` says so, and the calm, and yield the chaos while the service still runs."""
    installation = ModelInstallation(
        cloud, folder, policy=PROMOTION, late_files=LATE, score={**SCORE, "attempts": 3}
    )
    app = sabotaged(app_folder(), sabotage, folder) if sabotage else app_folder()
    with installation.start(app=app, TIDEPOOL_QUEUE_LEASE_S=str(LEASE_S)) as running:
        chaos = Chaos(installation, running)
        try:
            for step in steps(seed):
                if until(step.number):
                    break
                report(_words(step))
                _take(chaos, step)
            report("calm: the faults end, and all work must come to its end")
            _calm_down(chaos)
            yield chaos
        finally:
            cloud.clear_faults()


def _take(chaos: Chaos, step: Step) -> None:
    """Do what the step says, under its faults, and let its time pass."""
    cloud = chaos.installation.cloud
    _set_faults(chaos, step)
    if step.death == "worker":
        chaos.running.site.kill_worker_after(step.after_writes)
    _act(chaos, step)
    if step.death == "instance":
        chaos.running.site.kill()
    passed = 0
    while passed < max(step.minutes * 60, OUTAGE_S if step.away else 0):
        _settle(chaos, 10)
        _look(chaos)
        cloud.advance(_LOOK_S)
        passed += _LOOK_S
    _tick(chaos)


def _set_faults(chaos: Chaos, step: Step) -> None:
    """Set the faults of every step, and those of this one. They meet only this installation."""
    cloud, site, mine = chaos.installation.cloud, {"origin": chaos.running.site.name}, chaos.installation
    cloud.clear_faults()
    for account in (mine.account, mine.feeds):
        cloud.fault("clock", "shift", value=step.clock_s, times=None, match={"account": account.name})
    if step.away:
        cloud.fault("request", "status", value=503, times=None, match={**site, "host": SERVICES[step.away]})
    tables = {**site, "host": SERVICES["tables"], "method": "P*"}
    if isinstance(step.action, Reruns):
        # The requests read the month's row before any of their claims is written, even if a fault delays one
        # of them. So each must find out that it is not the only one.
        rows, times = {**tables, "path": "*tidegatePartitions*"}, len(step.action.keys) + 1
        cloud.fault("request", "slow", value=_OVERLAP_S, times=times, match=rows)
    for status in (429, 500):
        cloud.fault("request", "status", value=status, times=None, probability=0.02, match=site)
    cloud.fault("request", "timeout", value=2, times=None, probability=0.01, match=site)
    # Writes of other rows overlap now and then.
    cloud.fault("request", "slow", value=0.3, times=None, probability=0.1, match=tables)
    for topic in (mine.feeds.name, mine.workspace.name):
        events = {"times": None, "match": {"topic": f"*{topic}"}}
        cloud.fault("event", "drop", probability=0.05, **events)
        cloud.fault("event", "duplicate", probability=0.2, **events)
        cloud.fault("event", "delay", value=240, probability=0.1, **events)
        cloud.fault("event", "reorder", value=5, probability=0.3, **events)
    jobs = {"workspace": mine.workspace.name, "run": "score-*"}
    cloud.fault("run", "preempt", times=None, probability=0.15, match=jobs)
    cloud.fault("run", "never_start", times=None, probability=0.05, match=jobs)


def _act(chaos: Chaos, step: Step) -> None:
    chaos.done[type(step.action).__name__] += 1
    match step.action:
        case Upload(month, files, marker):
            chaos.installation.upload(month, files, marker=marker)
            chaos.files.setdefault(month, {}).update(files)
        case Reruns(month, keys):
            with ThreadPoolExecutor(len(keys)) as pool:
                accepted = list(pool.map(lambda key: _ask_again(chaos, month, key), keys))
            chaos.keys.update({key: month for key, yes in zip(keys, accepted, strict=True) if yes})
        case Registration(version, accuracy):
            chaos.installation.register(version, accuracy)
            chaos.accuracies[version] = accuracy
        case Poison(month, cause):
            command = CheckPartition(cause=cause, feed="stories", partition=month)
            poison = queue_client(chaos.installation.account.name, POISON_QUEUE)
            try:
                poison.send_message(encode(command))
            except (
                ResourceNotFoundError
            ):  # the queue is made by the host when a message dies for the first time
                poison.create_queue()
                poison.send_message(encode(command))
            chaos.poison.append(cause)


def _ask_again(chaos: Chaos, month: str, key: str) -> bool:
    """Request a re-run as a client does that repeats a request whose answer it did not get."""
    path = f"/api/feeds/stories/partitions/{month}/jobs"
    for _ in range(5):
        try:
            answer = chaos.running.post(path, {"reason": key}, **{"Idempotency-Key": key})
        except httpx.TransportError:
            continue
        if answer.status_code < 500:
            return answer.is_success
    return False


def _look(chaos: Chaos) -> None:
    """Record two live jobs of one generation, if there are any now, from Azure ML's own list."""
    live = Counter(
        name.rpartition("-a")[0] for name, status in chaos.installation.jobs().items() if status not in FINAL
    )
    chaos.doubles += [name for name, count in live.items() if count > 1]


def _calm_down(chaos: Chaos) -> None:
    """End the faults, and let days pass, with an operator who does what notifications ask for."""
    cloud = chaos.installation.cloud
    cloud.clear_faults()
    for number in range(60):
        _settle(chaos, 30)
        _look(chaos)
        _operate(chaos, stuck=number > 10)
        _tick(chaos)
        _settle(chaos, 30)
        if _is_calm(chaos):
            return
        time.sleep(_PAUSE_S)
        cloud.advance(1800)
    chaos.unfinished = True


def _operate(chaos: Chaos, *, stuck: bool) -> None:
    """Cancel jobs that are stuck, replay failures, and score again what ended without a result."""
    for name, status in chaos.installation.jobs().items():
        if stuck and status not in FINAL:
            chaos.installation.ml.jobs.begin_cancel(name).wait()
    for failure in chaos.running.get("/api/failures"):
        if failure["replayable"]:
            chaos.running.post(f"/api/failures/{failure['id']}/replay", {})
    for record in chaos.running.service.ledger.partitions("stories"):
        latest = record.latest
        ended = latest is not None and latest.generations and latest.generations[-1].state.final
        if latest and ended and not any(g.state.value == "scored" for g in latest.generations):
            key = f"operator-{record.partition}-{latest.number}-{len(latest.generations)}"
            if _ask_again(chaos, record.partition, key):
                chaos.keys[key] = record.partition


def _is_calm(chaos: Chaos) -> bool:
    """Return whether nothing is live, waiting or unsent, as the ledger and Azure ML say."""
    ledger = chaos.running.service.ledger
    months = ledger.partitions("stories")
    return (
        {record.partition for record in months} >= set(chaos.files)
        and all(record.result and record.latest for record in months)
        and all(record.result.startswith(_version(record)) for record in months if record.result)
        and all(claim.generation.state.final for record in months for claim in record.claims)
        and not ledger.jobs()
        and not ledger.unsent_activities()
        and not [version for version in ledger.model_versions() if version.model == MODEL]
        and not chaos.running.get("/api/failures")
        and not set(chaos.installation.jobs().values()) - FINAL
    )


def _version(record: Any) -> str:
    return f"{record.partition}-{record.latest.number}-"


def _tick(chaos: Chaos) -> None:
    try:
        chaos.running.site.fire_timer("reconcile")
    except TidepoolError:  # the worker may be killed in the timer's function; the host runs it again
        return


def _settle(chaos: Chaos, timeout_s: float) -> None:
    try:
        chaos.installation.cloud.settle(timeout_s)
    except UnsettledError:
        return


def _words(step: Step) -> str:
    faults = [
        f"{step.away} is away for ten minutes" if step.away else "",
        f"the {step.death} dies" if step.death else "",
    ]
    action = vars(step.action)
    return "; ".join(
        filter(None, [f"step {step.number}: {type(step.action).__name__} {json.dumps(action)}", *faults])
    )
