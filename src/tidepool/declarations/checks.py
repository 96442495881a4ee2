"""The check of a request body against the table that declares its properties."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

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
)
from tidepool.errors import AzureError

_TYPE_NAMES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
}
OTHERS = "*"  # in a table: all names that it does not have
_EMPTY: tuple[Any, ...] = ({}, [], "")


def checked_body(table: Table, body: Mapping[str, Any], of: str) -> dict[str, Any]:
    """Return the body without read-only properties, and with the names of properties as they are declared.

    Names of properties may be written in any case, as in Azure. `of` says what the body describes. Raise
    AzureError 501 for a property that is refused or not declared, and 400 for a value of a wrong type.
    """
    return _Reader(of).table(table, body, "")


def problems_of(table: Table, body: Mapping[str, Any], of: str, is_open: Callable[[Any], bool]) -> list[str]:
    """Return what `checked_body` would refuse with 501, and not only the first of it.

    `is_open` returns whether a value is known only later. Such a value is not checked, but its name is.
    """
    reader = _Reader(of, is_open)
    reader.table(table, body, "")
    return reader.problems


def _never(_value: Any) -> bool:
    return False


class _Reader:
    """The reader of one body. With `is_open`, it collects the problems instead of raising the first."""

    def __init__(self, of: str, is_open: Callable[[Any], bool] | None = None) -> None:
        self._of = of
        self._collects = is_open is not None
        self._is_open = is_open or _never
        self.problems: list[str] = []

    def table(self, table: Table, value: Any, path: str) -> dict[str, Any]:
        _expect(value, dict, path)
        names = {name.lower(): name for name in table}
        read: dict[str, Any] = {}
        for written, item in value.items():
            name = names.get(str(written).lower(), written if OTHERS in table else None)
            try:
                if name is None:
                    raise self._unknown(_join(path, written), table)
                if name in read:
                    raise _invalid(f"'{_join(path, name)}' occurs twice.")
                shape = table.get(name) or table[OTHERS]
                if not (isinstance(shape, Property) and shape.treatment is Treatment.READ_ONLY):
                    read[name] = self._value(shape, item, _join(path, name))
            except AzureError as error:
                if not self._collects:
                    raise
                self.problems.append(error.message)
        return read

    def _value(self, shape: Shape, value: Any, path: str) -> Any:  # noqa: PLR0911  # one for each shape
        if value is None:
            return None
        if self._is_open(value):
            return self._open(shape, value, path)
        match shape:
            case Property():
                return self._property(shape, value, path)
            case OrText(inner):
                return value if isinstance(value, str) else self._value(inner, value, path)
            case Each(inner):
                _expect(value, dict, path)
                return {name: self._value(inner, item, _join(path, name)) for name, item in value.items()}
            case Items(inner):
                _expect(value, list, path)
                return [self._value(inner, item, f"{path}[{number}]") for number, item in enumerate(value)]
            case Choice():
                return self._choice(shape, value, path)
            case _:
                return self.table(shape, value, path)

    def _open(self, shape: Shape, value: Any, path: str) -> Any:
        """Return a value that is known later. Raise AzureError 501 if each value would be refused."""
        if isinstance(shape, Property) and shape.treatment is Treatment.REFUSED and not shape.only:
            raise self._refused(path, shape.reason)
        return value

    def _property(self, declared: Property, value: Any, path: str) -> Any:
        _expect(value, declared.type, path)
        if declared.only:
            if _plain(value) not in map(_plain, declared.only):
                allowed = ", ".join(repr(item) for item in declared.only)
                raise self._refused(f"{path}: {value!r}", f"{declared.reason}; it emulates {allowed} only")
        elif declared.treatment is Treatment.REFUSED and value not in _EMPTY:
            raise self._refused(path, declared.reason)
        return value

    def _choice(self, declared: Choice, value: Any, path: str) -> dict[str, Any]:
        _expect(value, dict, path)
        written = next((item for name, item in value.items() if name.lower() == declared.name.lower()), None)
        label = _join(path, declared.name)
        wanted = declared.default if written is None else written
        names = {name.lower(): name for name in declared.variants}
        chosen = names.get(str(wanted).lower())
        if not wanted:
            raise _invalid(f"'{label}' is missing: it must be one of {_listed(declared.variants)}.")
        if chosen is None:
            raise _invalid(f"'{label}' is {wanted!r}: it must be one of {_listed(declared.variants)}.")
        variant = declared.variants[chosen]
        if isinstance(variant, Property):
            raise self._refused(f"{label}: {chosen}", variant.reason)
        table = {**declared.shared, **variant, declared.name: _DISCRIMINATOR}
        read = self.table(table, value, path)
        return read if written is None else {**read, declared.name: chosen}

    def _refused(self, path: str, reason: str) -> AzureError:
        message = f"Tidepool does not emulate '{path}' of {self._of}: {reason}."
        return AzureError(501, "NotEmulated", message)

    def _unknown(self, path: str, table: Table) -> AzureError:
        message = (
            f"Tidepool does not know the property '{path}' of {self._of}. "
            f"Properties that it knows here: {_listed(table)}."
        )
        return AzureError(501, "NotEmulated", message)


_DISCRIMINATOR = Property(Treatment.USED, "", str)


def _expect(value: Any, expected: Any, path: str) -> None:
    if expected is ANY:
        return
    types = expected if isinstance(expected, tuple) else (expected,)
    is_flag = isinstance(value, bool)  # which Python also counts as a number
    if not isinstance(value, types) or (is_flag and bool not in types):
        raise _invalid(f"'{path or 'body'}' must be {_TYPE_NAMES[types[0]]}.")


def _plain(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else str(name)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _invalid(reason: str) -> AzureError:
    return AzureError(400, "InvalidRequestContent", f"The request content was invalid: {reason}")
