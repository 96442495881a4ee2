"""The words in which the tables of this package declare what Tidepool does with each property of a body.

A table is a dictionary from the names of properties to one of these:

- `used(test)`: the property has an effect, which the named test shows;
- `stored(reason)`: the property comes back in answers and does nothing else, which is safe for this reason;
- `refused(reason)`: a request with this property gets 501, with the name of the property and the reason;
- `read_only()`: Azure ignores the property in requests;
- `"*"` in place of a name is each name that is not in the table, where Azure ignores such names;
- another table (an object), `each(...)` (a map), `items(...)` (a list), `choice(...)` (one of several types).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

ANY = object  # the JSON type of a property whose content is not checked
NUMBER = (int, float)
SCALAR = (str, int, float, bool)
JsonType = type | tuple[type, ...]


class Treatment(StrEnum):
    """What Tidepool does with a property."""

    USED = "used"
    STORED = "stored only"
    REFUSED = "refused"
    READ_ONLY = "read-only"


@dataclass(frozen=True)
class Property:
    """A property without declared parts. `note` is the test of a used property, or else the reason.

    If `only` has values, then all other values are refused with `reason`. A property that is not `public` is
    not in Azure's public type definitions.
    """

    treatment: Treatment
    note: str
    type: JsonType
    only: tuple[Any, ...] = ()
    reason: str = ""
    public: bool = True


@dataclass(frozen=True)
class Each:
    """An object whose names the user chooses. Each of its values has the same shape."""

    shape: "Shape"


@dataclass(frozen=True)
class Items:
    """A list. Each of its items has the same shape."""

    shape: "Shape"


@dataclass(frozen=True)
class Choice:
    """An object of several types. Its property `name` says which, and `default` is used without it."""

    name: str
    shared: "Table"
    variants: Mapping[str, "Table | Property"]
    default: str = ""


@dataclass(frozen=True)
class OrText:
    """An object, or in its place a text."""

    shape: "Shape"


Shape = Property | Each | Items | Choice | OrText | Mapping[str, Any]
Table = Mapping[str, Shape]


def used(test: str, type: JsonType = str, *, only: tuple[Any, ...] = (), reason: str = "") -> Property:
    """Declare a property with an effect. `test` is `module::test` below `tests`, without `test_`."""
    return Property(Treatment.USED, test, type, only, reason)


def stored(reason: str, type: JsonType = str) -> Property:
    """Declare a property that comes back in answers and has no other effect. `reason`: why that is safe."""
    return Property(Treatment.STORED, reason, type)


def refused(reason: str, type: JsonType = ANY, *, only: tuple[Any, ...] = ()) -> Property:
    """Declare a property that is refused, except for the values in `only` and empty values."""
    return Property(Treatment.REFUSED, reason, type, only, reason)


def read_only(type: JsonType = ANY) -> Property:
    """Declare a property that Azure sets. Like Azure, Tidepool ignores it in requests."""
    return Property(Treatment.READ_ONLY, "Azure sets it, and ignores it in requests", type)


def unlisted(property_: Property) -> Property:
    """Declare that a property is not in the public type definitions: for example, only the SDK sends it."""
    return replace(property_, public=False)


each = Each
items = Items
choice = Choice
or_text = OrText
