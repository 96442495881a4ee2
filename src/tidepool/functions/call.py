"""One invocation in the worker: decodes the arguments and encodes the outputs.

It imports few modules, because each import makes the start of every app slower.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import azure.functions as func
from azure.functions import meta
from azure.functions.http import HttpRequest

from tidepool.functions.frames import Message
from tidepool.functions.index import IndexedFunction, converters
from tidepool.functions.invocation import local_storage


class Context(func.Context):
    """The `context` argument of a function."""

    def __init__(self, request: Message, directory: str) -> None:
        self._request = request
        self._directory = directory

    @property
    def invocation_id(self) -> str:
        return str(self._request["id"])

    @property
    def thread_local_storage(self) -> Any:
        return local_storage

    @property
    def function_name(self) -> str:
        return str(self._request["function"])

    @property
    def function_directory(self) -> str:
        return self._directory

    @property
    def trace_context(self) -> Any:
        return SimpleNamespace(
            trace_parent=self._request.get("traceparent", ""), trace_state="", attributes={}
        )

    @property
    def retry_context(self) -> Any:
        retry = self._request.get("retry") or {"count": 0, "max": 0}
        return SimpleNamespace(retry_count=retry["count"], max_retry_count=retry["max"], exception=None)


class Output(func.Out[Any]):
    """The argument for an output parameter."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        self._value = val

    def get(self) -> Any:
        return self._value


def arguments(function: IndexedFunction, request: Message, directory: str) -> dict[str, Any]:
    """Return the keyword arguments of one call. Output parameters are new `Output` objects."""
    values: dict[str, Any] = {
        name: _decode(kind, request["data"], request["metadata"]) for name, kind in function.inputs.items()
    }
    values.update({name: Output() for name in function.outputs})
    if function.wants_context:
        values["context"] = Context(request, directory)
    return values


def results(function: IndexedFunction, values: Mapping[str, Any], returned: Any) -> Message:
    """Return the encoded outputs and return value of a call with the arguments `values`.

    Raise RuntimeError, as Azure's worker does, if a function without a $return binding returns a value.
    """
    if function.returns is None and returned is not None:
        raise RuntimeError(f"function {function.name!r} without a $return binding returned a non-None value")
    outputs = {name: _encode(kind, values[name].get()) for name, kind in function.outputs.items()}
    encoded = None if function.returns is None else _encode(function.returns, returned)
    return {"outputs": outputs, "returned": encoded}


def _decode(kind: str, data: Message, metadata: Mapping[str, str]) -> Any:
    if kind == "httpTrigger":
        return HttpRequest(body_type="bytes", **data)
    if kind == "generic":
        return data["value"]
    converter = converters.get(kind)
    datums = {name: meta.Datum(value, "string") for name, value in metadata.items()}
    return converter.decode(meta.Datum(data["value"], data["type"]), trigger_metadata=datums)


def _encode(kind: str, value: Any) -> Message | None:
    if value is None:
        return None
    if kind == "generic":
        return _encode_generic(value)
    converter = converters.get(kind)
    datum = converter.encode(value, expected_type=None)
    return _encode_http(datum.value) if datum.type == "http" else {"type": datum.type, "value": datum.value}


def _encode_generic(value: Any) -> Message:
    if isinstance(value, str):
        return {"type": "string", "value": value}
    if isinstance(value, bytes | bytearray):
        return {"type": "bytes", "value": bytes(value)}
    raise ValueError(f"unable to encode outgoing TypedData: unsupported type {type(value).__name__!r}")


def _encode_http(response: Mapping[str, Any]) -> Message:
    headers = [(name, datum.value) for name, datum in response["headers"].items()]
    cookies = [
        ("Set-Cookie", morsel.OutputString()) for jar in response["cookies"] or [] for morsel in jar.values()
    ]
    return {
        "type": "http",
        "status": int(response["status_code"].value),
        "headers": headers + cookies,
        "body": response["body"].value,
    }
