"""The ids of partitions: a calendar month (`202611`) or a calendar day (`20261105`)."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, StringConstraints

Period = Literal["month", "day"]


def first_day(partition: str) -> date:
    """Return the first day of a partition.

    Raise ValueError if there is no such month or day (`202613`), or if its year is not between 1900 and 2999.
    """
    if not "1900" <= partition[:4] <= "2999":
        raise ValueError("write a year from 1900 to 2999")
    return date(int(partition[:4]), int(partition[4:6]), int(partition[6:] or 1))


def period_of(partition: str) -> Period:
    """Return the length of a partition: `month` for `202611`, `day` for `20261105`."""
    return "month" if len(partition) == 6 else "day"


def _in_the_calendar(value: str) -> str:
    try:
        first_day(value)
    except ValueError:
        raise ValueError(f"there is no {period_of(value)} {value}") from None
    return value


PartitionId = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{6}([0-9]{2})?$"), AfterValidator(_in_the_calendar)
]
