"""The tests that declarations name, and the properties that each of them is to send."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.declared_properties import Leaf, leaves
from tidepool.declarations.catalog import ACTIONS, RESOURCES
from tidepool.declarations.words import Treatment

if TYPE_CHECKING:
    from tidepool.cloud import Tidepool


def used_properties() -> Iterator[tuple[str, Leaf]]:
    """Yield (kind, property) of each used property of a body, also of the bodies of actions."""
    actions = ((f"{kind}/{action}", table) for (kind, action), table in ACTIONS.items())
    for kind, table in (*RESOURCES.items(), *actions):
        for leaf in leaves(table, set()):
            if leaf.declared.treatment is Treatment.USED:
                yield kind, leaf


@cache
def properties_by_test() -> dict[str, set[str]]:
    """Return the names of the properties whose effect each test shows, by `module::test` without `test_`."""
    named: dict[str, set[str]] = defaultdict(set)
    for _, leaf in used_properties():
        named[leaf.declared.note].add(leaf.last_name)
    return dict(named)


def name_of(module: Path, test: str) -> str:
    """Return how declarations name a test: its module below `tests` and its function, without `test_`."""
    return f"{module.parent.name}/{module.stem.removeprefix('test_')}::{test.removeprefix('test_')}"


class SentProperties:
    """The properties that the tests of a module have sent to Tidepool, from the fixtures of the module on."""

    def __init__(self, tidepool: "Tidepool") -> None:
        self._tidepool = tidepool
        self._names: set[str] = set()
        tidepool.sent_properties()  # those of other modules

    def names(self) -> set[str]:
        self._names |= set(self._tidepool.sent_properties())
        return self._names


def summary(lines: Iterable[str]) -> Iterator[str]:
    """Yield how many properties were sent by the tests that are to show them, and which were not.

    A line has the name of a test and the properties that it sent. Only tests that ran are counted.
    """
    sent: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        name, _, properties = line.partition(" ")
        sent[name] |= set(filter(None, properties.split(",")))
    declared = {name: properties_by_test()[name] for name in sent}
    missing = {name: declared[name] - sent[name] for name in sorted(sent)}
    count = sum(map(len, declared.values()))
    yield f"{count - sum(map(len, missing.values()))} of {count} used properties, in {len(sent)} tests"
    yield from (f"{name} did not send {', '.join(sorted(names))}" for name, names in missing.items() if names)
