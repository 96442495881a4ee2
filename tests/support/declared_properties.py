"""The properties of a declared body one by one, each with a body that has it alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tidepool.declarations.words import Choice, Each, Items, OrText, Property, Shape, Treatment

Step = tuple[str, ...]
MEMBER = "x"  # the name that the generated bodies give to the members of a map


@dataclass(frozen=True)
class Leaf:
    """A declared property. The steps of its path are fields, members, items and chosen types."""

    path: tuple[Step, ...]
    declared: Property

    @property
    def name(self) -> str:
        """Return the path as people write it, with the chosen types in parentheses."""
        return "".join(f"({step[2]})" if step[0] == "choice" else f".{step[-1]}" for step in self.path)[1:]

    @property
    def last_name(self) -> str:
        return next(step[-1] for step in reversed(self.path) if step[0] == "field")


def leaves(shape: Shape, seen: set[int], path: tuple[Step, ...] = ()) -> Iterator[Leaf]:
    """Yield each property of a shape. Types that `seen` contains are left out: they were yielded before."""
    match shape:
        case Property():
            yield Leaf(path, shape)
        case OrText(inner):
            yield from leaves(inner, seen, path)
        case Each(inner):
            yield from leaves(inner, seen, (*path, ("member", MEMBER)))
        case Items(inner):
            yield from leaves(inner, seen, (*path, ("item", "0")))
        case Choice():
            yield from _of_choice(shape, seen, path)
        case Mapping():
            for name, inner in shape.items():
                yield from leaves(inner, seen, (*path, ("field", name)))


def _of_choice(choice: Choice, seen: set[int], path: tuple[Step, ...]) -> Iterator[Leaf]:
    if id(choice) in seen:
        return
    if len(choice.variants) > 3:  # small types, such as an identity, have another meaning in each place
        seen.add(id(choice))
    first = True
    for name, variant in choice.variants.items():
        chosen = (*path, ("choice", choice.name, name))
        if isinstance(variant, Property):
            yield Leaf(chosen, variant)
            continue
        # The properties that all types share are sent with the first type only.
        table = {**choice.shared, **variant} if first else variant
        first = False
        yield from leaves(table, seen, chosen)


def body_with(
    body: Any, leaf: Leaf, value: Any, required: Mapping[tuple[str, str], Mapping[str, Any]]
) -> Any:
    """Return the body with the value at the path of the leaf. `required` has what a chosen type needs."""
    return _with(body, leaf.path, value, required, "")


def _with(body: Any, path: tuple[Step, ...], value: Any, required: Any, field: str) -> Any:
    if not path:
        return value
    step, *rest = path
    if step[0] == "item":
        return [_with(None, tuple(rest), value, required, field)]
    body = dict(body or {})
    if step[0] == "choice":
        _, name, variant = step
        if body.get(name) != variant:
            body = {name: variant, **required.get((field, variant), {})}
        return _with(body, tuple(rest), value, required, field) if rest else body
    if step[0] == "field":
        field = step[1]
    body[step[1]] = _with(body.get(step[1]), tuple(rest), value, required, field)
    return body


def value_at(body: Any, leaf: Leaf) -> Any:
    """Return the value at the path of the leaf, or None."""
    for step in leaf.path:
        if body is None:
            return None
        if step[0] == "item":
            body = body[0]
        elif step[0] != "choice":
            body = body.get(step[1])
    return body


def allowed_value(leaf: Leaf, values: Mapping[str, Any]) -> Any:
    """Return a value that Tidepool accepts."""
    if leaf.declared.only:
        return leaf.declared.only[0]
    if leaf.last_name in values:
        return values[leaf.last_name]
    return _of_type(leaf.declared, {str: "x", int: 1, float: 1, bool: True, list: [], dict: {}})


def refused_value(leaf: Leaf) -> Any:
    """Return a value that Tidepool refuses."""
    if bool in _types(leaf.declared) and leaf.declared.only:
        return not leaf.declared.only[0]
    return _of_type(
        leaf.declared, {str: "Elsewhere", int: 1, float: 1, bool: True, list: ["x"], dict: {"x": {}}}
    )


def _of_type(declared: Property, values: Mapping[type, Any]) -> Any:
    return next((values[kind] for kind in _types(declared) if kind in values), "x")


def _types(declared: Property) -> tuple[type, ...]:
    return declared.type if isinstance(declared.type, tuple) else (declared.type,)


def counted(shape: Shape) -> dict[Treatment, int]:
    """Return how many properties of a shape have each treatment."""
    counts = dict.fromkeys(Treatment, 0)
    for leaf in leaves(shape, set()):
        counts[leaf.declared.treatment] += 1
    return counts
