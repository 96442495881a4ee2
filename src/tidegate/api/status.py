"""The HTTP API of the whole: what needs a person now, what runs and what is retried."""

from datetime import datetime
from typing import Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from tidegate.api.access import FUNCTION_KEY, Services
from tidegate.domain.overview import Need, NeedItem

router = APIRouter(prefix="/api/status", dependencies=[Depends(FUNCTION_KEY)])


class NeedView(BaseModel):
    """One thing that waits for a person."""

    need: Need
    what: str
    text: str
    since: datetime | None
    url: str = Field(description="The path of what it is about.")

    @classmethod
    def of(cls, item: NeedItem) -> Self:
        return cls(**vars(item))


class StatusView(BaseModel):
    """The state of the installation at one time, as the first screen of the page shows it."""

    at: datetime
    counts: dict[Need, int] = Field(description="How many things of each kind wait for a person.")
    needs: list[NeedView]
    jobs: int = Field(description="Jobs that have not ended.")
    delayed: int = Field(description="Pieces of work that are retried.")


@router.get("", summary="Show what needs a person now")
def status(service: Services) -> StatusView:
    """Return all that waits for a person, and how much runs and is retried."""
    present = service.overviews.status()
    return StatusView(
        at=present.at,
        counts={need: len(present.of(need)) for need in Need},
        needs=[NeedView.of(item) for item in present.needs],
        jobs=len(present.jobs),
        delayed=sum(delay.chain is not None for delay in present.delays),
    )
