"""What Tidepool declares of request bodies: complete by Azure's public types, and checked."""

import ast
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.support.declared_properties import counted, leaves
from tests.support.emulation_page import PAGE, PROPERTIES_PAGE, page, properties_page
from tests.support.installation import ROOT

from tidepool.composition import Composition
from tidepool.declarations.catalog import ACTIONS, RESOURCES, is_declared
from tidepool.declarations.checks import checked_body
from tidepool.declarations.words import (
    ANY,
    Choice,
    Each,
    Items,
    OrText,
    Property,
    Shape,
    Table,
    Treatment,
    choice,
    each,
    read_only,
    refused,
    stored,
    used,
)
from tidepool.errors import AzureError

SCHEMAS = ROOT.parent / "shared/schemas"
FILES = ("mls-2025-12-01.types.json", "eventgrid.types.json")
READ_ONLY = 2  # the flag of a property that Azure sets
JSON_TYPES = {
    "StringType": str,
    "StringLiteralType": str,
    "UnionType": str,
    "IntegerType": int,
    "BooleanType": bool,
    "ArrayType": list,
    "ObjectType": dict,
    "DiscriminatedObjectType": dict,
}
Type = dict[str, Any]


class PublicTypes:
    """The types of one file of Microsoft's published type definitions."""

    def __init__(self, file: Path) -> None:
        self._types: list[Type] = json.loads(file.read_text())

    def bodies(self) -> dict[str, Type]:
        """Return the type of the body of each resource, by the kind of the resource."""
        resources = (kind for kind in self._types if kind["$type"] == "ResourceType")
        return {kind["name"].partition("@")[0]: self.at(kind["body"]) for kind in resources}

    def at(self, reference: Mapping[str, str]) -> Type:
        return self._types[int(reference["$ref"].rpartition("/")[2])]


def faults(types: PublicTypes, kind: Type, shape: Shape, path: str) -> Iterator[str]:
    """Yield each difference between a public type and a declaration."""
    match shape:
        case Property():
            expected = JSON_TYPES.get(kind["$type"])
            allowed = shape.type if isinstance(shape.type, tuple) else (shape.type,)
            if expected and ANY not in allowed and expected not in allowed:
                yield f"{path} is declared with another JSON type than {expected.__name__}"
        case OrText(inner):
            yield from faults(types, kind, inner, path)
        case Each(inner) if "additionalProperties" in kind:
            yield from faults(types, types.at(kind["additionalProperties"]), inner, f"{path}.*")
        case Items(inner) if kind["$type"] == "ArrayType":
            yield from faults(types, types.at(kind["itemType"]), inner, f"{path}[]")
        case Choice() if kind["$type"] == "DiscriminatedObjectType":
            yield from _of_choice(types, kind, shape, path)
        case Mapping() if kind["$type"] == "ObjectType":
            yield from _of_table(types, kind["properties"], shape, path)
        case _ if kind["$type"] != "AnyType":
            yield f"{path} is declared with another structure than {kind['$type']}"


def _of_table(types: PublicTypes, public: Mapping[str, Any], table: Table, path: str) -> Iterator[str]:
    for name, member in public.items():
        if name not in table:
            yield f"{path}.{name} is not declared"
        else:
            yield from faults(types, types.at(member["type"]), table[name], f"{path}.{name}")
            # The name of a resource is in the path of a request.
            is_read_only = bool(member["flags"] & READ_ONLY) or (name == "name" and "." not in path)
            treatment = getattr(table[name], "treatment", None)
            if is_read_only and treatment is not Treatment.READ_ONLY:
                yield f"{path}.{name} is read-only, and declared as {treatment}"
    for name, declared in table.items():
        if name not in public and getattr(declared, "public", True):
            yield f"{path}.{name} is declared and does not exist"


def _of_choice(types: PublicTypes, kind: Type, shape: Choice, path: str) -> Iterator[str]:
    if shape.name != kind["discriminator"]:
        yield f"{path} is chosen by {kind['discriminator']}, not by {shape.name}"
    for name, element in kind["elements"].items():
        variant = shape.variants.get(name)
        if variant is None:
            yield f"{path}({name}) is not declared"
        elif not isinstance(variant, Property):
            public = {**kind.get("baseProperties", {}), **types.at(element)["properties"]}
            public.pop(shape.name, None)
            yield from _of_table(types, public, {**shape.shared, **variant}, f"{path}({name})")


@pytest.mark.parametrize("file", FILES)
def test_each_property_of_the_public_types_is_declared(file: str) -> None:
    if not (SCHEMAS / file).exists():
        pytest.skip(f"no type definitions at {SCHEMAS / file}")
    types = PublicTypes(SCHEMAS / file)
    bodies = types.bodies()

    compared = {kind: table for kind, table in RESOURCES.items() if kind in bodies}
    differences = [
        difference
        for kind, table in compared.items()
        for difference in faults(types, bodies[kind], table, kind.partition("/")[2])
    ]

    assert compared
    assert differences == []


def test_each_used_property_names_a_test_that_exists() -> None:
    declared = [
        *RESOURCES.items(),
        *((f"{kind}/{action}", table) for (kind, action), table in ACTIONS.items()),
    ]

    missing = {
        f"{kind} {leaf.name}: {leaf.declared.note}"
        for kind, table in declared
        for leaf in leaves(table, set())
        if leaf.declared.treatment is Treatment.USED and not _test_exists(leaf.declared.note)
    }

    assert missing == set()


def test_each_route_that_takes_a_body_has_a_declaration(tmp_path: Path) -> None:
    routes = Composition(tmp_path, 0).router.routes

    assert {kind for kind, verb in routes if verb in ("PUT", "PATCH") and not is_declared(kind)} == set()
    assert {(kind.lower(), action) for kind, action in ACTIONS} <= set(routes)


def test_the_pages_have_what_is_declared(tmp_path: Path) -> None:
    text = PAGE.read_text()

    assert page(text, Composition(tmp_path, 0).router.routes) == text, "run `make docs`"
    assert PROPERTIES_PAGE.read_text() == properties_page(), "run `make docs`"


@cache
def _tests_of(file: Path) -> set[str]:
    if not file.exists():
        return set()
    return {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}


def _test_exists(note: str) -> bool:
    module, _, test = note.partition("::")
    folder, _, name = module.partition("/")
    return f"test_{test}" in _tests_of(ROOT / "tests" / folder / f"test_{name}.py")


# The check


TABLE: Table = {
    "id": read_only(),
    "properties": {
        "size": used("t::t", int),
        "label": stored("it is a label"),
        "subnet": refused("there are no networks"),
        "network": refused("there are no networks", str, only=("Enabled",)),
        "parts": each({"name": stored("it is a name")}),
        "trigger": choice(
            "kind",
            {"zone": stored("it is a zone")},
            {"Cron": {"expression": stored("it is one")}, "Event": refused("no events")},
        ),
    },
}


@pytest.mark.parametrize(
    ("properties", "status", "message"),
    [
        ({"size": "1"}, 400, "'properties.size' must be a number"),
        ({"size": True}, 400, "'properties.size' must be a number"),
        ({"size": 1, "Size": 2}, 400, "'properties.size' occurs twice"),
        ({"subnet": "s"}, 501, "'properties.subnet' of a thing: there are no networks"),
        ({"network": "Disabled"}, 501, "'properties.network: 'Disabled'' of a thing"),
        (
            {"colour": "red"},
            501,
            "'properties.colour' of a thing. Properties that it knows here: size, label",
        ),
        ({"parts": {"a": {"nme": "b"}}}, 501, "'properties.parts.a.nme'"),
        ({"parts": {"a": "b"}}, 400, "'properties.parts.a' must be an object"),
        ({"trigger": {"kind": "Event"}}, 501, "'properties.trigger.kind: Event' of a thing: no events"),
        (
            {"trigger": {"kind": "Moon"}},
            400,
            "'properties.trigger.kind' is 'Moon': it must be one of Cron, Event",
        ),
        ({"trigger": {}}, 400, "'properties.trigger.kind' is missing"),
        ([], 400, "'properties' must be an object"),
    ],
)
def test_a_body_is_refused_with_the_name_of_the_property(properties: Any, status: int, message: str) -> None:
    with pytest.raises(AzureError) as refusal:
        checked_body(TABLE, {"properties": properties}, "a thing")

    assert refusal.value.status == status
    assert message in refusal.value.message


def test_names_that_azure_ignores_are_kept() -> None:
    table: Table = {"size": used("t::t", int), "*": stored("Azure ignores them", ANY)}

    assert checked_body(table, {"size": 1, "seize": "x"}, "a thing") == {"size": 1, "seize": "x"}


def test_names_are_read_in_any_case_and_read_only_properties_are_left_out() -> None:
    body = {
        "ID": "x",
        "Properties": {"SIZE": 1, "subnet": None, "network": "enabled", "Trigger": {"KIND": "cron"}},
    }

    read = checked_body(TABLE, body, "a thing")

    assert read == {
        "properties": {"size": 1, "subnet": None, "network": "enabled", "trigger": {"kind": "Cron"}}
    }


def test_the_coverage_is_printed(record_property: Any) -> None:
    total: Counter[Treatment] = Counter()
    for kind, table in RESOURCES.items():
        if "/registries/" not in kind:  # their assets are those of workspaces
            counts = counted(table)
            total += Counter(counts)
            record_property("declared", f"{kind.partition('/')[2]}: {_counts(counts)}")

    record_property("declared", f"all: {_counts(total)}; none is undeclared")
    assert all(total.values())


def _counts(counts: Mapping[Treatment, int]) -> str:
    return ", ".join(f"{counts[treatment]} {treatment}" for treatment in Treatment)
