"""VM sizes of a region, and how many of their cores a subscription may still use. Asks for no quota."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.cloud.arm import ArmClient

_API_VERSION = "2024-04-01"
_ML = "Microsoft.MachineLearningServices"
_UNLIMITED = 1_000_000


@dataclass(frozen=True)
class VmSize:
    name: str
    family: str
    cores: int
    low_priority: bool  # whether nodes of it can be had at low priority


@dataclass(frozen=True)
class Region:
    """What Azure ML offers in a region; `usages` as Azure lists them."""

    name: str
    sizes: Mapping[str, VmSize]  # by name in capitals
    usages: tuple[Mapping[str, Any], ...]

    def cores_left(self, size: VmSize, *, low_priority: bool) -> int | None:
        """Before the subscription's limit: of all low-priority nodes, or of this family's dedicated ones.

        None where Azure lists no limit that can be told to be the one.
        """
        if low_priority:
            return _least(one for one in self.usages if _kind(one) == "lowprioritycores")
        family = _plain(f"{size.family}ClusterDedicatedvCPUs")
        of_family = [one for one in self.usages if _kind(one) == "vmfamily" and _plain(_last(one)) == family]
        if not of_family:
            return None
        return _least([*of_family, *(one for one in self.usages if _kind(one) == "dedicatedcores")])


def region(arm: ArmClient, subscription: str, name: str) -> Region:
    location = f"/subscriptions/{subscription}/providers/{_ML}/locations/{name}"
    sizes = (_size(one) for one in arm.list(f"{location}/vmSizes", _API_VERSION))
    usages = tuple(arm.list(f"{location}/usages", _API_VERSION))
    return Region(name, {size.name.upper(): size for size in sizes}, usages)


def _size(one: Mapping[str, Any]) -> VmSize:
    return VmSize(one["name"], one["family"], int(one["vCPUs"]), bool(one.get("lowPriorityCapable")))


def _kind(usage: Mapping[str, Any]) -> str:
    """`Microsoft.MachineLearningServices/vmFamily/usages` -> `vmfamily`; those of a workspace differ."""
    kind: str = usage["type"].lower().removeprefix(f"{_ML}/".lower()).removesuffix("/usages")
    return kind


def _least(usages: Iterable[Mapping[str, Any]]) -> int | None:
    left = [_UNLIMITED if usage["limit"] < 0 else usage["limit"] - usage["currentValue"] for usage in usages]
    return min(left, default=None)


def _last(usage: Mapping[str, Any]) -> str:
    """`.../usages/Standard_DSv2_Family_Cluster_Dedicated_vCPUs` -> its last part."""
    return str(usage["id"]).rpartition("/")[2]


def _plain(text: str) -> str:
    """Sizes and usages write the same family differently: `standardDSv2Family`, `Standard_DSv2_Family`."""
    return re.sub(r"[^a-z0-9]", "", text.lower())
