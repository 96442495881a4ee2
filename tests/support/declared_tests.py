"""The tests that declarations name, and the properties whose effect each of them is to show."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.declared_properties import Leaf, leaves
from tidepool.declarations.catalog import ACTIONS, RESOURCES
from tidepool.declarations.words import Treatment


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
