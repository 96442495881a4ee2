"""Values, compared with Microsoft's published type definitions of the Azure resources."""

from collections.abc import Iterator
from typing import Any

Types = list[dict[str, Any]]


def violations(types: Types, reference: dict[str, str], value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each property that the type lacks, and of each value that it does not allow."""
    kind = types[int(reference["$ref"].rpartition("/")[2])]
    match kind["$type"]:
        case "ObjectType" | "DiscriminatedObjectType" if isinstance(value, dict):
            yield from _member_violations(types, kind, value, path)
        case "ArrayType" if isinstance(value, list):
            for number, item in enumerate(value):
                yield from violations(types, kind["itemType"], item, f"{path}[{number}]")
        case "StringLiteralType" if value != kind["value"]:
            yield f"{path} is {value!r}, not {kind['value']!r}"
        case "UnionType" if not any(
            not list(violations(types, element, value, path)) for element in kind["elements"]
        ):
            yield f"{path} cannot be {value!r}"
        case "ObjectType" | "DiscriminatedObjectType" | "ArrayType":
            yield f"{path} cannot be {value!r}"


def _member_violations(types: Types, kind: dict[str, Any], value: dict[str, Any], path: str) -> Iterator[str]:
    known = dict(kind.get("properties") or kind.get("baseProperties") or {})
    if "discriminator" in kind:
        chosen = kind["elements"].get(value.get(kind["discriminator"]))
        if chosen is None:
            yield f"{path}.{kind['discriminator']} is {value.get(kind['discriminator'])!r}"
            return
        known |= types[int(chosen["$ref"].rpartition("/")[2])]["properties"]
    for name, item in value.items():
        member = known[name]["type"] if name in known else kind.get("additionalProperties")
        if member is None:
            yield f"{path}.{name}"
        elif item is not None:
            yield from violations(types, member, item, f"{path}.{name}")
