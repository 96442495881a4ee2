"""VM sizes that Azure ML offers here, and the quotas of their cores. The usage is always 0."""

from collections.abc import Callable
from dataclasses import dataclass

from tidepool.azureml.ml_errors import UserError
from tidepool.store import Document

_QUOTA = 100  # cores: for each family, for all dedicated nodes, and for all low-priority nodes
_ML = "Microsoft.MachineLearningServices"


@dataclass(frozen=True)
class VmSize:
    family: str
    cores: int
    gpus: int = 0


# https://learn.microsoft.com/azure/machine-learning/concept-compute-target
VM_SIZES = {
    "STANDARD_DS2_V2": VmSize("standardDSv2Family", 2),
    "STANDARD_DS3_V2": VmSize("standardDSv2Family", 4),
    "STANDARD_DS11_V2": VmSize("standardDSv2Family", 2),
    "STANDARD_DS12_V2": VmSize("standardDSv2Family", 4),
    "STANDARD_D2S_V3": VmSize("standardDSv3Family", 2),
    "STANDARD_D4S_V3": VmSize("standardDSv3Family", 4),
    "STANDARD_D16S_V3": VmSize("standardDSv3Family", 16),
    "STANDARD_E4S_V3": VmSize("standardESv3Family", 4),
    "STANDARD_F4S_V2": VmSize("standardFSv2Family", 4),
    "STANDARD_NC6": VmSize("standardNCFamily", 6, 1),
    "STANDARD_NC6S_V3": VmSize("standardNCSv3Family", 6, 1),
    "STANDARD_NC12S_V3": VmSize("standardNCSv3Family", 12, 2),
    "STANDARD_NC4AS_T4_V3": VmSize("Standard NCASv3_T4 Family", 4, 1),
    "STANDARD_NC8AS_T4_V3": VmSize("Standard NCASv3_T4 Family", 8, 1),
    "STANDARD_NC16AS_T4_V3": VmSize("Standard NCASv3_T4 Family", 16, 1),
    "STANDARD_NC64AS_T4_V3": VmSize("Standard NCASv3_T4 Family", 64, 4),
    "STANDARD_NC24ADS_A100_V4": VmSize("standardNCADSA100v4Family", 24, 1),
    "STANDARD_ND40RS_V2": VmSize("standardNDSv2Family", 40, 8),
}


Quota = Callable[[str, str], float | None]


def cores_allowed(quota: Quota, family: str, *, low_priority: bool) -> int:
    """Return the quota of cores: of a family, or of all low-priority nodes."""
    limit = quota("", "LowPriority") if low_priority else quota(family, "Dedicated")
    return _QUOTA if limit is None else int(limit)


def check_quota(name: str, cluster: Document, quota: Quota) -> None:
    """Raise UserError 400 if the quota is 0, or less than the least nodes of a cluster need."""
    size, low_priority = VM_SIZES[cluster["vmSize"].upper()], cluster["vmPriority"] != "Dedicated"
    least = cluster["scaleSettings"]["minNodeCount"] * size.cores
    allowed = cores_allowed(quota, size.family, low_priority=low_priority)
    if allowed < max(least, 1):
        tier = "low-priority" if low_priority else size.family
        raise UserError(
            400,
            f"The cluster '{name}' of the vmSize '{cluster['vmSize']}' cannot be made: the subscription has "
            f"a {tier} vCPU quota of {allowed} here, and its minNodeCount needs {least}. Request quota: "
            "https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas",
            "BadArgument",
            "ClusterMinNodesExceedCoreQuota",
        )


def sizes() -> list[Document]:
    """Return the response to GET .../locations/{region}/vmSizes."""
    return [
        {
            "name": name,
            "family": size.family,
            "vCPUs": size.cores,
            "gpus": size.gpus,
            "lowPriorityCapable": True,
            "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
        }
        for name, size in VM_SIZES.items()
    ]


def usages(subscription: str, quota: Quota) -> list[Document]:
    """Return the response to GET .../locations/{region}/usages: quotas in total, and by family and tier.

    `quota` returns the cores of a family and a tier if a test has set them, or else None.
    """
    root = f"/subscriptions/{subscription}/usages"
    low_priority = cores_allowed(quota, "", low_priority=True)
    quotas = [
        _usage(root, "dedicatedCores", "Total Cluster Dedicated Regional vCPUs", _QUOTA),
        _usage(root, "lowPriorityCores", "Total Cluster LowPriority Regional vCPUs", low_priority),
    ]
    for family in sorted({size.family for size in VM_SIZES.values()}):
        words = family.replace("standard", "Standard ").replace("Family", " Family").replace("  ", " ")
        dedicated = cores_allowed(quota, family, low_priority=False)
        for tier, limit in (("Dedicated", dedicated), ("LowPriority", -1)):
            name = f"{words} Cluster {tier} vCPUs"
            quotas.append(_usage(f"{root}/{name.replace(' ', '_')}", "vmFamily", name, limit))
    return quotas


def _usage(resource_id: str, kind: str, name: str, limit: int) -> Document:
    return {
        "id": resource_id,
        "type": f"{_ML}/{kind}/usages",
        "unit": "Count",
        "currentValue": 0,
        "limit": limit,
        "name": {"value": name, "localizedValue": name},
    }
