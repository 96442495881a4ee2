"""The filter of an event subscription: event types, subject and advanced operators, with Azure's limits.

https://learn.microsoft.com/azure/event-grid/event-filtering
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tidepool.errors import AzureError

Event = Mapping[str, Any]
Comparison = Callable[[Any, Any], bool]

MAX_FILTERS = 25
MAX_VALUES = 25
MAX_VALUE_LENGTH = 512

# The names of attributes in filters. For each name, the attributes of the two event schemas that it means.
_ATTRIBUTES = {
    "id": ("id",),
    "eventid": ("id",),
    "topic": ("topic", "source"),
    "source": ("source", "topic"),
    "subject": ("subject",),
    "eventtype": ("eventType", "type"),
    "type": ("type", "eventType"),
    "dataversion": ("dataVersion",),
    "eventtypeversion": ("dataVersion",),
}


def _text(compare: Callable[[str, str], bool]) -> Comparison:
    """Return a comparison that ignores case and is false for values that are not strings."""
    return lambda value, operand: isinstance(value, str) and compare(value.lower(), str(operand).lower())


def _number(compare: Callable[[float, float], bool]) -> Comparison:
    return lambda value, operand: _is_number(value) and compare(value, operand)


def _in_range(value: Any, operand: Any) -> bool:
    return _is_number(value) and operand[0] <= value <= operand[1]


def _same_bool(value: Any, operand: Any) -> bool:
    return isinstance(value, bool) and value is operand


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SINGLE: dict[str, Comparison] = {
    "NumberGreaterThan": _number(operator.gt),
    "NumberGreaterThanOrEquals": _number(operator.ge),
    "NumberLessThan": _number(operator.lt),
    "NumberLessThanOrEquals": _number(operator.le),
    "BoolEquals": _same_bool,
}
_ANY: dict[str, Comparison] = {
    "NumberIn": _number(operator.eq),
    "NumberInRange": _in_range,
    "StringContains": _text(operator.contains),
    "StringBeginsWith": _text(str.startswith),
    "StringEndsWith": _text(str.endswith),
    "StringIn": _text(operator.eq),
}
# A negative operator matches if no value matches, so it also matches if the key is missing or null.
_NONE: dict[str, Comparison] = {
    name.replace("Number", "NumberNot").replace("String", "StringNot"): compare
    for name, compare in _ANY.items()
}
OPERATORS = frozenset([*_SINGLE, *_ANY, *_NONE, "IsNotNull", "IsNullOrUndefined"])


class EventFilter:
    """The checked `filter` of an event subscription.

    Raise AzureError 400 if Azure would refuse the filter.
    """

    def __init__(self, spec: Mapping[str, Any] | None) -> None:
        spec = spec or {}
        types = spec.get("includedEventTypes") or []
        self._types = frozenset() if "All" in types else frozenset(name.lower() for name in types)
        self._fold = str if spec.get("isSubjectCaseSensitive") else str.lower
        self._begins = self._fold(spec.get("subjectBeginsWith") or "")
        self._ends = self._fold(spec.get("subjectEndsWith") or "")
        self._on_arrays = bool(spec.get("enableAdvancedFilteringOnArrays"))
        self._advanced = list(spec.get("advancedFilters") or [])
        _check(self._advanced)

    def matches(self, event: Event) -> bool:
        return self._matches_type(event) and self._matches_subject(event) and self._matches_advanced(event)

    def _matches_type(self, event: Event) -> bool:
        return not self._types or str(_attribute(event, "eventtype")).lower() in self._types

    def _matches_subject(self, event: Event) -> bool:
        subject = self._fold(str(event.get("subject") or ""))
        return subject.startswith(self._begins) and subject.endswith(self._ends)

    def _matches_advanced(self, event: Event) -> bool:
        return all(self._holds(condition, value_at(event, condition["key"])) for condition in self._advanced)

    def _holds(self, condition: Mapping[str, Any], value: Any) -> bool:
        name = condition["operatorType"]
        if name == "IsNullOrUndefined":
            return value is None
        if name == "IsNotNull":
            return value is not None
        values = value if self._on_arrays and isinstance(value, list) else [value]
        if name in _SINGLE:
            return any(_SINGLE[name](item, condition["value"]) for item in values)
        operands = condition["values"]
        if name in _ANY:
            return _matches_any(_ANY[name], values, operands)
        return not _matches_any(_NONE[name], values, operands)


def value_at(event: Event, key: str) -> Any:
    """Return the value that a filter's key names, or None.

    Upper and lower case are equal. A dot separates the levels of nested data.
    """
    first, _, rest = key.partition(".")
    if first.lower() != "data":
        return _attribute(event, key.lower())
    value: Any = event.get("data")
    for part in filter(None, rest.split(".")):
        value = _member(value, part)
    return value


def _attribute(event: Event, name: str) -> Any:
    attributes = _ATTRIBUTES.get(name)
    if attributes is None:
        return _member(event, name)
    return next((event[attribute] for attribute in attributes if event.get(attribute) is not None), None)


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, Mapping):
        return None
    if name in value:
        return value[name]
    return next((member for key, member in value.items() if key.lower() == name.lower()), None)


def _matches_any(compare: Comparison, values: Iterable[Any], operands: Sequence[Any]) -> bool:
    return any(compare(value, operand) for value in values for operand in operands)


def _check(filters: list[Any]) -> None:
    if len(filters) > MAX_FILTERS:
        raise _invalid_filter(f"has {len(filters)} advanced filters; at most {MAX_FILTERS} are allowed")
    if sum(len(condition.get("values") or []) for condition in filters) > MAX_VALUES:
        raise _invalid_filter(f"has more than {MAX_VALUES} values in its advanced filters")
    for condition in filters:
        _check_condition(condition)


def _check_condition(condition: Mapping[str, Any]) -> None:
    name = condition.get("operatorType")
    if name not in OPERATORS:
        raise _invalid_filter(
            f"has an unknown operatorType {name!r}; allowed are {', '.join(sorted(OPERATORS))}"
        )
    if not condition.get("key"):
        raise _invalid_filter(f"has a {name} filter without a key")
    if name in _SINGLE and "value" not in condition:
        raise _invalid_filter(f"has a {name} filter on {condition['key']!r} without a value")
    if name in _ANY or name in _NONE:
        _check_values(name, condition)


def _check_values(name: str, condition: Mapping[str, Any]) -> None:
    values = condition.get("values")
    if not isinstance(values, list) or not values:
        raise _invalid_filter(f"has a {name} filter on {condition['key']!r} without values")
    if any(isinstance(value, str) and len(value) > MAX_VALUE_LENGTH for value in values):
        raise _invalid_filter(
            f"has a value of more than {MAX_VALUE_LENGTH} characters for {condition['key']!r}"
        )
    if name.endswith("Range") and not all(isinstance(value, list) and len(value) == 2 for value in values):
        raise _invalid_filter(f"has a {name} filter on {condition['key']!r} whose values are not pairs")


def _invalid_filter(reason: str) -> AzureError:
    return AzureError(400, "InvalidRequest", f"The event subscription's filter {reason}.")
