"""The properties of a declared body one by one, each with a body that has it alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tidepool.declarations.checks import OTHERS
from tidepool.declarations.words import Choice, Each, Items, OrText, Property, Shape, Treatment

Step = tuple[str, ...]
SHARED = "all types"  # marks a chosen type as an example for all types
MEMBER = "x"  # the name that the generated bodies give to the members of a map


@dataclass(frozen=True)
class Leaf:
    """A declared property. The steps of its path are fields, members, items and chosen types.

    The first word of a step says which of these it is.
    """

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
                step = ("member", MEMBER) if name == OTHERS else ("field", name)
                yield from leaves(inner, seen, (*path, step))


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
        if first:  # the properties that all types share are yielded with the first type only
            own = {key: inner for key, inner in choice.shared.items() if key not in variant}
            yield from leaves(own, seen, (*chosen[:-1], (*chosen[-1], SHARED)))
        first = False
        yield from leaves(variant, seen, chosen)


Required = Mapping[tuple[str, str], Mapping[str, Any]]


def body_with(body: Any, leaf: Leaf, value: Any, required: Required, *, replace: bool = True) -> Any:
    """Return the body with a value at the path of the leaf. `required` has what each chosen type needs.

    Unless it may `replace` one, keep a value that the body or `required` has at this path.
    """
    return _Builder(required, value, replace=replace).build(body, leaf.path, "")


class _Builder:
    def __init__(self, required: Required, value: Any, *, replace: bool) -> None:
        self._required = required
        self._value = value
        self._replace = replace

    def build(self, body: Any, path: tuple[Step, ...], field: str) -> Any:
        """Return the body with the value. `field` is the last field on the way to the body."""
        if not path:
            return self._value if self._replace or body is None else body
        step, rest = path[0], path[1:]
        if step[0] == "item":
            return [self.build(None, rest, field)]
        body = dict(body or {})
        if step[0] == "choice":
            name, variant = step[1:3]
            if body.get(name) != variant:
                body = {name: variant, **self._required.get((field, variant), {})}
            return self.build(body, rest, field) if rest else body
        field = step[1] if step[0] == "field" else field
        body[step[1]] = self.build(body.get(step[1]), rest, field)
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
    for name in (leaf.name, leaf.last_name):
        if name in values:
            return values[name]
    holders: dict[type, Any] = {list: [], dict: {}}
    if leaf.declared.treatment is Treatment.STORED:
        holders = {list: ["x"], dict: {"x": "y"}}
    return _of_type(leaf.declared, {str: "x", int: 1, float: 1, bool: True, **holders})


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
