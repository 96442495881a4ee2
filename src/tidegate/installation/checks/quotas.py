"""Check that the quota is large enough for the clusters that jobs create."""

from collections.abc import Iterable

from tidegate.cloud.quotas import Region, region
from tidegate.cloud.registrar import Cluster, read_cluster
from tidegate.installation.asset_files import clusters_in
from tidegate.installation.checks.check import CheckInputs, CheckResult, fail, ok, warn

_API_VERSION = "2024-04-01"
_REQUEST_QUOTA = "request more quota: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas"


def quotas(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check each cluster that has a YAML file. Cores that are in use are not available, whoever uses them."""
    for role in inputs.roles():
        workspace = inputs.config.workspaces.by_role()[role]
        location = inputs.arm.get(workspace.arm_id, _API_VERSION)["location"]
        offered = region(inputs.arm, workspace.subscription, location)
        for name in clusters_in(inputs.config, role):
            file = inputs.assets.compute(name)
            if file is not None:
                yield quota_of(read_cluster(file), offered)


def quota_of(cluster: Cluster, offered: Region) -> CheckResult:
    """Compare the nodes of a cluster with what the region offers and the quota leaves."""
    name, choose = cluster.name, f"choose another size in src/assets/compute/{cluster.name}.yml"
    size = offered.sizes.get(cluster.size.upper())
    if size is None:
        return fail(f"cluster {name}: the size {cluster.size} is not offered in {offered.name}", choose)
    if cluster.low_priority and not size.low_priority:
        return fail(f"cluster {name}: the size {cluster.size} is not offered at low priority", choose)
    kind = "low-priority" if cluster.low_priority else f"dedicated {size.family}"
    left = offered.cores_left(size, low_priority=cluster.low_priority)
    if left is None:
        what = f"cluster {name}: Azure lists no quota for {kind} cores"
        return warn(what, "look under Quota in Azure ML studio")
    nodes = left // size.cores
    if nodes < 1:
        what = f"cluster {name}: a node needs {size.cores} {kind} cores, and {left} are left"
        return fail(what, _REQUEST_QUOTA)
    if nodes < cluster.max_instances:
        what = (
            f"cluster {name}: the quota is enough for {nodes} of {cluster.max_instances} nodes, "
            f"{left} {kind} cores are left"
        )
        return warn(what, _REQUEST_QUOTA)
    return ok(
        f"cluster {name}: the quota is enough for {cluster.max_instances} nodes of {size.cores} {kind} cores"
    )
