"""The VM sizes that a region offers, and how many of their cores a subscription may still use."""

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
    """A VM size that Azure ML offers in a region."""

    name: str
    family: str
    cores: int
    low_priority: bool  # whether clusters of this size can have low-priority nodes


@dataclass(frozen=True)
class Region:
    """The VM sizes of a region, and the usages of the subscription as Azure lists them."""

    name: str
    sizes: Mapping[str, VmSize]  # the keys are names in capital letters
    usages: tuple[Mapping[str, Any], ...]

    def cores_left(self, size: VmSize, *, low_priority: bool) -> int | None:
        """Return how many cores the subscription can still use before it reaches its limit.

        There is one limit for all low-priority cores, and one for the dedicated cores of each VM family.
        Return None if Azure lists no limit for this family.
        """
        if low_priority:
            return _least_left(usage for usage in self.usages if _kind(usage) == "lowprioritycores")
        family = _normalized(f"{size.family}ClusterDedicatedvCPUs")
        of_family = [
            usage
            for usage in self.usages
            if _kind(usage) == "vmfamily" and _normalized(_last_part(usage)) == family
        ]
        if not of_family:
            return None
        dedicated = [usage for usage in self.usages if _kind(usage) == "dedicatedcores"]
        return _least_left([*of_family, *dedicated])


def region(arm: ArmClient, subscription: str, name: str) -> Region:
    """Read the VM sizes and the usages of a region."""
    location = f"/subscriptions/{subscription}/providers/{_ML}/locations/{name}"
    sizes = (_size(size) for size in arm.list(f"{location}/vmSizes", _API_VERSION))
    usages = tuple(arm.list(f"{location}/usages", _API_VERSION))
    return Region(name, {size.name.upper(): size for size in sizes}, usages)


def _size(size: Mapping[str, Any]) -> VmSize:
    return VmSize(size["name"], size["family"], int(size["vCPUs"]), bool(size.get("lowPriorityCapable")))


def _kind(usage: Mapping[str, Any]) -> str:
    """Return the kind of a usage: `vmfamily` for `Microsoft.MachineLearningServices/vmFamily/usages`.

    Usages of a single workspace have other types, so they do not match.
    """
    kind: str = usage["type"].lower().removeprefix(f"{_ML}/".lower()).removesuffix("/usages")
    return kind


def _least_left(usages: Iterable[Mapping[str, Any]]) -> int | None:
    left = [_UNLIMITED if usage["limit"] < 0 else usage["limit"] - usage["currentValue"] for usage in usages]
    return min(left, default=None)


def _last_part(usage: Mapping[str, Any]) -> str:
    """Return the last part of `.../usages/Standard_DSv2_Family_Cluster_Dedicated_vCPUs`."""
    return str(usage["id"]).rpartition("/")[2]


def _normalized(text: str) -> str:
    """Return the lower-case letters and digits of a family's name.

    Sizes and usages spell the same family differently: `standardDSv2Family`, `Standard_DSv2_Family`.
    """
    return re.sub(r"[^a-z0-9]", "", text.lower())
