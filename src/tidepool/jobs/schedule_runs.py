"""The jobs that schedules start, at the times of their triggers and on request."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from dateutil.parser import isoparse

from tidepool.access.principals import Principal
from tidepool.jobs.expressions import fill_known
from tidepool.jobs.triggers import next_occurrence
from tidepool.scheduler import Entry, Scheduler
from tidepool.store import Document, Store

# Submits a job. The arguments are the workspace, the name, the body and the principal.
Submit = Callable[[str, str, Document, Principal], Awaitable[Any]]
_CREATORS = "/scheduleCreators"


class ScheduleRuns:
    """The enabled schedules. Each waits in the scheduler for the next time of its trigger.

    A job is submitted as the principal that last changed the schedule.
    """

    def __init__(self, *, store: Store, scheduler: Scheduler, submit: Submit) -> None:
        self._store = store
        self._scheduler = scheduler
        self._submit = submit
        self._entries: dict[str, Entry] = {}

    def changed(self, schedule: Document, principal: Principal, *, is_new: bool) -> None:
        """Remember who created or changed a schedule, and let it wait if it is enabled."""
        self._store.put(f"{_CREATORS}{schedule['id']}", dict(vars(principal)))
        before_all = _created(schedule) - timedelta(microseconds=1)
        self._wait(schedule, before_all if is_new else self._scheduler.now())

    def forget(self, schedule_id: str) -> None:
        """End the waiting of a schedule that is changed or deleted."""
        if entry := self._entries.pop(schedule_id.lower(), None):
            entry.cancel()

    def revive(self) -> None:
        """Let all enabled schedules wait again after a restart. They do not make up for what they missed."""
        for path, _ in list(self._store.below(_CREATORS)):
            if schedule := self._store.get(path[len(_CREATORS) :]):
                self._wait(schedule, self._scheduler.now())

    async def start(self, schedule: Document, moment: datetime) -> str:
        """Submit the job of a schedule for a time, and return the name of the job."""
        workspace_id = schedule["id"].partition("/schedules/")[0]
        name = self._free_name(workspace_id, f"{schedule['name']}-{moment:%Y%m%dT%H%M%SZ}")
        properties = {
            **job_definition(self._store, schedule),
            "displayName": f"{schedule['name']}-{moment:%Y%m%dT%H%M%SZ}",
        }
        texts = {"name": name, "creation_context.trigger_time": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}
        filled = {key: _filled(properties.get(key), texts) for key in ("inputs", "outputs")}
        principal = Principal(**(self._store.get(f"{_CREATORS}{schedule['id']}") or {}))
        await self._submit(workspace_id, name, {"properties": {**properties, **filled}}, principal)
        return name

    def _wait(self, schedule: Document, after: datetime) -> None:
        """Let a schedule wait for the first time of its trigger after `after`, if it is enabled."""
        self.forget(schedule["id"])
        properties = schedule["properties"]
        due = next_occurrence(properties["trigger"], _created(schedule), after)
        if due is None or not properties["isEnabled"]:
            return

        async def fire() -> None:
            self._wait(schedule, due)
            await self.start(schedule, due)

        delay_s = (due - self._scheduler.now()).total_seconds()
        label = f"schedule {schedule['name']}" if delay_s <= 0 else f"timer schedule {schedule['name']}"
        self._entries[schedule["id"].lower()] = self._scheduler.call_later(delay_s, fire, label)

    def _free_name(self, workspace_id: str, name: str) -> str:
        """Return a name that no job has. Two requests may start a job within a second."""
        number, free = 1, name
        while self._store.get(f"{workspace_id}/jobs/{free}"):
            number += 1
            free = f"{name}-{number}"
        return free


def job_definition(store: Store, schedule: Document) -> Document:
    """Return the properties of the job of a schedule, with those of the job that it copies, if any."""
    definition = schedule["properties"]["action"]["jobDefinition"]
    given = {key: value for key, value in definition.items() if value is not None and key != "sourceJobId"}
    source = store.get(definition["sourceJobId"]) if definition.get("sourceJobId") else None
    copied = (source or {}).get("properties") or {}
    return {**{key: value for key, value in copied.items() if key != "services"}, **given}


def _created(schedule: Document) -> datetime:
    return isoparse(schedule["systemData"]["createdAt"])


def _filled(value: Any, texts: dict[str, str]) -> Any:
    """Return a value with all expressions in its texts filled in."""
    if isinstance(value, dict):
        return {key: _filled(item, texts) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, texts) for item in value]
    return fill_known(value, texts) if isinstance(value, str) else value
