"""What a region's limits leave for a cluster, in the shape in which Azure documents them."""

from typing import Any

import pytest

from tidegate.cloud.quotas import Region, VmSize
from tidegate.cloud.registrar import Cluster
from tidegate.installation.checks.check import CheckState
from tidegate.installation.checks.quotas import quota_of

SIZES = {
    "STANDARD_NC4AS_T4_V3": VmSize("STANDARD_NC4AS_T4_V3", "Standard NCASv3_T4 Family", 4, low_priority=True),
    "STANDARD_DS3_V2": VmSize("STANDARD_DS3_V2", "standardDSv2Family", 4, low_priority=False),
}
WORKSPACE = "resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/mlw"


def usage(kind: str, left: int, name: str = "", scope: str = "") -> dict[str, Any]:
    path = "/".join(part for part in ("/subscriptions/s", scope, "usages", name) if part)
    limit, used = (-1, 7) if left < 0 else (left + 7, 7)
    return {
        "id": path,
        "type": f"Microsoft.MachineLearningServices/{kind}/usages",
        "currentValue": used,
        "limit": limit,
    }


def a_region(*, dedicated: int = 100, family: int = 100, low_priority: int = 100) -> Region:
    name = "Standard_NCASv3_T4_Family_Cluster"
    usages = (
        usage("dedicatedCores", dedicated),
        usage("lowPriorityCores", low_priority),
        usage("vmFamily", family, f"{name}_Dedicated_vCPUs"),
        usage("vmFamily", -1, f"{name}_LowPriority_vCPUs"),
        usage("workspaces", 0, f"{name}_Dedicated_vCPUs", WORKSPACE),
    )
    return Region("japaneast", SIZES, usages)


def a_cluster(size: str = "standard_nc4as_t4_v3", *, low_priority: bool = False) -> Cluster:
    return Cluster(name="gpu", size=size, low_priority=low_priority, max_instances=4)


@pytest.mark.parametrize(
    ("cluster", "region", "state", "says"),
    [
        (a_cluster(), a_region(), CheckState.OK, "4 nodes of 4 dedicated"),
        (a_cluster(), a_region(family=8), CheckState.WARN, "2 of 4 nodes"),
        (a_cluster(), a_region(dedicated=3), CheckState.FAIL, "a node needs 4"),
        (a_cluster(), a_region(family=-1, dedicated=16), CheckState.OK, "4 nodes"),
        (
            a_cluster(low_priority=True),
            a_region(family=0, dedicated=0),
            CheckState.OK,
            "4 nodes of 4 low-priority",
        ),
        (a_cluster(low_priority=True), a_region(low_priority=3), CheckState.FAIL, "3 are left"),
        (a_cluster("STANDARD_ND96"), a_region(), CheckState.FAIL, "is not offered in japaneast"),
        (
            a_cluster("STANDARD_DS3_V2", low_priority=True),
            a_region(),
            CheckState.FAIL,
            "is not offered at low priority",
        ),
        (a_cluster("STANDARD_DS3_V2"), a_region(), CheckState.WARN, "Azure lists no quota"),
    ],
)
def test_a_cluster_gets_what_the_tightest_limit_leaves(
    cluster: Cluster, region: Region, state: CheckState, says: str
) -> None:
    found = quota_of(cluster, region)

    assert found.state is state
    assert says in found.what
    assert bool(found.do) is (state is not CheckState.OK)
