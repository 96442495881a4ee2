"""The settings of a functions app: host.json and references to app settings."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SETTING = re.compile(r"%([^%]+)%")
_TIME = re.compile(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)")


class HostSettingsError(ValueError):
    """An invalid host.json, or a missing app setting."""


@dataclass(frozen=True, kw_only=True)
class QueueOptions:
    """The options of `extensions.queues` in host.json, with Azure's defaults and limits."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout_s: float = 0.0
    max_polling_interval_s: float = 60.0
    base64: bool = True


@dataclass(frozen=True, kw_only=True)
class HostSettings:
    route_prefix: str = "api"
    function_timeout_s: float | None = 1800.0
    queues: QueueOptions = QueueOptions()


def read_host_settings(app_dir: Path) -> HostSettings:
    """Read `host.json`. Raise HostSettingsError if it is missing or invalid."""
    file = app_dir / "host.json"
    if not file.is_file():
        raise HostSettingsError(f"{file} does not exist; a functions app needs it")
    try:
        document = json.loads(file.read_text())
    except ValueError as error:
        raise HostSettingsError(f"{file} is not JSON: {error}") from error
    if document.get("version") != "2.0":
        raise HostSettingsError(f'{file}: version is {document.get("version")!r}; it must be "2.0"')
    extensions = document.get("extensions", {})
    return HostSettings(
        route_prefix=extensions.get("http", {}).get("routePrefix", "api").strip("/"),
        function_timeout_s=_timeout(document.get("functionTimeout", "00:30:00")),
        queues=_queue_options(extensions.get("queues", {})),
    )


def resolve(text: str, settings: Mapping[str, str]) -> str:
    """Replace each `%NAME%` by the app setting. Raise HostSettingsError if the setting is missing."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in settings:
            raise HostSettingsError(
                f"'%{match[1]}%' does not resolve to a value: no app setting has this name"
            )
        return settings[match[1]]

    return _SETTING.sub(value, text)


def seconds(text: str) -> float:
    """Return the seconds of a time span `[d.]hh:mm:ss[.fff]`."""
    match = _TIME.fullmatch(text)
    if not match:
        raise HostSettingsError(f"{text!r} is not a time span of the form hh:mm:ss")
    days, hours, minutes, rest = match.groups(default="0")
    return ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + float(rest)


def _timeout(value: str) -> float | None:
    return None if value == "-1" else seconds(value)


def _queue_options(options: Mapping[str, Any]) -> QueueOptions:
    batch_size = _bounded_int(options, "batchSize", 16, 1, 32)
    cores = os.cpu_count() or 1  # as on a dedicated plan. On Consumption, Azure counts one core
    encoding = str(options.get("messageEncoding", "base64")).lower()
    if encoding not in ("base64", "none"):
        raise HostSettingsError(f"queues.messageEncoding is {encoding!r}; allowed are base64, none")
    return QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=_bounded_int(options, "newBatchThreshold", batch_size // 2 * cores, 0, 1000),
        max_dequeue_count=_bounded_int(options, "maxDequeueCount", 5, 1, 10_000),
        visibility_timeout_s=seconds(options.get("visibilityTimeout", "00:00:00")),
        max_polling_interval_s=max(0.1, seconds(options.get("maxPollingInterval", "00:01:00"))),
        base64=encoding == "base64",
    )


def _bounded_int(options: Mapping[str, Any], name: str, default: int, lowest: int, highest: int) -> int:
    value = options.get(name, default)
    if not isinstance(value, int) or not lowest <= value <= highest:
        raise HostSettingsError(f"queues.{name} is {value!r}; it must be between {lowest} and {highest}")
    return value
