"""A person has a month scored again: a new generation, claimed before the answer. Submits no job."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tidegate.commands import ScoreMonth
from tidegate.config import Feed
from tidegate.datasets import result_name, version_name
from tidegate.errors import ConflictError, NotThereError, PermanentError, TransientError
from tidegate.ledger import Generation, Month, MonthVersion
from tidegate.log import Log
from tidegate.pipelines import model_problem
from tidegate.problems import RefusedError

if TYPE_CHECKING:
    from tidegate.cloud.queue import Queue
    from tidegate.cloud.tables import Ledger
    from tidegate.cloud.workspaces import Workspaces

log = Log(__name__)

_CLAIMS = 10


class Rerun(BaseModel):
    """What to score again, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
    version: Annotated[int, Field(ge=1, strict=True, description="Number of the month version.")] | None = (
        Field(default=None, description="Which version of the month; without it, the latest.")
    )
    model_version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,29}$")] | None = (
        Field(
            default=None, description="Which version of the feed's model; without it, as tidegate.yml says."
        )
    )


@dataclass(frozen=True)
class NewGeneration:
    version: MonthVersion
    number: int


@dataclass(frozen=True)
class Repeated:
    """The same key brought the same request before."""

    version: MonthVersion
    generation: Generation


@dataclass(frozen=True)
class Refused:
    status: int
    title: str
    detail: str


def decide_rerun(record: Month, wanted: Rerun, key: str | None) -> NewGeneration | Repeated | Refused:
    """What a request means for the month as it is now."""
    if key and (found := _with_key(record, key)):
        if _says_the_same(wanted, *found):
            return Repeated(*found)
        name = result_name(record.month, found[0].number, found[1].number)
        return Refused(
            422,
            "This Idempotency-Key was used before",
            f"It brought another request, which became {name}; send a new request with a new key",
        )
    version = record.latest if wanted.version is None else record.version(wanted.version)
    if version is None:
        return _no_version(record, wanted.version)
    return NewGeneration(version, max((one.number for one in version.generations), default=0) + 1)


class Reruns:
    """Claims generations under the month's ETag, so that two requests at once become two generations."""

    def __init__(
        self, *, ledger: "Ledger", workspaces: "Workspaces", queue: "Queue", now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._workspaces = workspaces
        self._queue = queue
        self._now = now

    def claim(
        self, feed: Feed, place: tuple[str, str], wanted: Rerun, key: str | None
    ) -> tuple[Month, MonthVersion, Generation]:
        """Of `place`, a feed's name and a month. RefusedError where the request cannot be carried out."""
        model: tuple[str, str] | None = None
        for _ in range(_CLAIMS):
            record = self._ledger.month(*place)
            match decide_rerun(record, wanted, key):
                case Refused(status, title, detail):
                    raise RefusedError(status, title, detail)
                case Repeated(version, generation):
                    pass
                case NewGeneration(version, number):
                    model = model or self._model(feed, wanted.model_version)
                    generation = self._generation(number, feed, model, wanted, key)
                    version.generations.append(generation)
                    try:
                        self._ledger.save(record)
                    except ConflictError:
                        continue
            self._send(record, version, generation)
            return record, version, generation
        raise ConflictError(f"{' '.join(place)} is being changed by others all the time; try again")

    def _generation(
        self, number: int, feed: Feed, model: tuple[str, str], wanted: Rerun, key: str | None
    ) -> Generation:
        return Generation(
            number=number,
            model_name=model[0],
            model_version=model[1],
            compute=feed.score.compute,
            reason=wanted.reason,
            idempotency_key=key,
            claimed_at=self._now(),
        )

    def _model(self, feed: Feed, wanted: str | None) -> tuple[str, str]:
        """Name and version of a model that is there and fits; one that is not would fail after the answer."""
        assets = self._workspaces[feed.score.workspace].assets
        name, _, pinned = feed.score.model.partition(":")
        try:
            version = wanted or pinned or assets.newest_model(name)
            problem = model_problem(assets.mlmodel(name, version))
        except (NotThereError, PermanentError) as error:
            which = f"{name}:{wanted or pinned}".rstrip(":")
            title = "There is no such model version"
            raise RefusedError(422, title, f"{which} in {feed.score.workspace}: {error}") from error
        if problem:
            raise RefusedError(
                422, "The model does not fit", f"{name}:{version} cannot score images: {problem}"
            )
        return name, version

    def _send(self, record: Month, version: MonthVersion, generation: Generation) -> None:
        """The claim is what counts: where the queue is away, the timer finds it."""
        if generation.state.final:
            return
        command = ScoreMonth(
            cause=f"request-{uuid4()}",
            feed=record.feed,
            month=record.month,
            version=version.number,
            generation=generation.number,
        )
        try:
            self._queue.send(command)
        except TransientError as error:
            log.warning("rerun_left_to_timer", feed=record.feed, month=record.month, error=error)
        else:
            log.info("rerun_sent", feed=record.feed, month=record.month, cause=command.cause)


def _with_key(record: Month, key: str) -> tuple[MonthVersion, Generation] | None:
    return next(
        (
            (version, generation)
            for version in record.versions
            for generation in version.generations
            if generation.idempotency_key == key
        ),
        None,
    )


def _says_the_same(wanted: Rerun, version: MonthVersion, generation: Generation) -> bool:
    return (
        wanted.reason == generation.reason
        and wanted.version in (None, version.number)
        and wanted.model_version in (None, generation.model_version)
    )


def _no_version(record: Month, wanted: int | None) -> Refused:
    if not record.versions:
        detail = "The month is not complete yet, or before the feed starts: there is nothing to score"
        return Refused(409, "The month has no version", detail)
    there = ", ".join(version_name(record.month, one.number) for one in record.versions)
    return Refused(404, "There is no such version", f"{record.month} has no version {wanted}; it has {there}")
