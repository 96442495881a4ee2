"""The plan of a chaos run: what users do and which faults happen, step by step, derived from a seed alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

SERVICES = {
    "tables": "*.table.core.windows.net",
    "blobs": "*.blob.core.windows.net",
    "the service's queue": "*.queue.core.windows.net",
    "Azure Resource Manager": "management.azure.com",
    "Azure ML's data plane": "*.api.azureml.ms",
    "the notification channel": "mailbox.tidepool",
}
LABELS = ("cat", "dog", "bird", "ant")

Death = Literal["worker", "instance"]


@dataclass(frozen=True)
class Upload:
    """Files that a user uploads into a month, by name with their content; `marker` completes the month."""

    month: str
    files: dict[str, str]
    marker: bool


@dataclass(frozen=True)
class Reruns:
    """Requests at the same time to score a month again. Each is repeated, with its key, until answered."""

    month: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Registration:
    """A model version that a user registers, with the accuracy that its evaluation will find."""

    version: str
    accuracy: float


@dataclass(frozen=True)
class Poison:
    """A message that the host gave up, as after five crashes: the check of a month, with this cause."""

    month: str
    cause: str


Action = Upload | Reruns | Registration | Poison


@dataclass(frozen=True)
class Step:
    """What happens at one time, and how many minutes pass afterwards.

    `away` is a service that does not answer for ten minutes. After a death at a write, the answer of that
    write does not arrive. `clock_s` is how far storage's clock is ahead; it is behind if that is negative.
    """

    number: int
    action: Action
    away: str | None
    death: Death | None
    after_writes: int
    minutes: int
    clock_s: int


def steps(seed: int) -> Iterator[Step]:
    """Yield the steps of a seed, without end. The same seed always gives the same steps."""
    random, clocks = Random(seed), Random(f"clocks of {seed}")
    months: list[str] = []
    versions = 0
    for number in range(1, 1_000_000):
        action: Action
        match 0 if not months else random.choices(range(5), (4, 2, 2, 2, 1))[0]:
            case 0:
                months.append(f"{2100 + len(months) // 12}{len(months) % 12 + 1:02}")
                files = {f"{index}.png": random.choice(LABELS) for index in range(random.randint(1, 5))}
                action = Upload(months[-1], files, marker=True)
            case 1:
                changed = {f"{random.randint(0, 5)}.png": random.choice(LABELS)}
                action = Upload(random.choice(months), changed, marker=False)
            case 2:
                action = Reruns(random.choice(months), tuple(f"key-{number}-{letter}" for letter in "abc"))
            case 3:
                versions += 1
                action = Registration(str(versions), round(random.uniform(0.7, 0.99), 3))
            case _:
                action = Poison(random.choice(months), f"poison-{number}")
        yield Step(
            number=number,
            action=action,
            away=random.choice(list(SERVICES)) if random.random() < 0.25 else None,
            death=random.choice(("worker", "worker", "instance")) if random.random() < 0.4 else None,
            after_writes=random.randint(1, 12),
            minutes=random.choice((1, 1, 3, 10)),
            clock_s=clocks.randint(-60, 60),
        )
