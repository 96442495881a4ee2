"""Whether the clusters that will be made can have their nodes."""

from collections.abc import Iterable

from tidegate.cloud.quotas import Region, region
from tidegate.cloud.registrar import Cluster, read_cluster
from tidegate.installation.asset_files import clusters_in
from tidegate.installation.checks.findings import Found, Installation, fail, ok, warn

_API_VERSION = "2024-04-01"
_ASK = "ask for more: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas"


def quotas(installation: Installation) -> Iterable[Found]:
    """Of the clusters whose YAML is here; what is used already counts, be it ours or not."""
    for role in installation.roles():
        place = installation.config.workspaces.by_role()[role]
        location = installation.arm.get(place.arm_id, _API_VERSION)["location"]
        offered = region(installation.arm, place.subscription, location)
        for name in clusters_in(installation.config, role):
            file = installation.assets.compute(name)
            if file is not None:
                yield quota_of(read_cluster(file), offered)


def quota_of(cluster: Cluster, offered: Region) -> Found:
    """What a cluster can have of what a region offers."""
    size = offered.sizes.get(cluster.size.upper())
    if size is None:
        what = f"{cluster.name}: {cluster.size} is not offered in {offered.name}"
        return fail(what, f"choose another size in src/assets/compute/{cluster.name}.yml")
    if cluster.low_priority and not size.low_priority:
        what = f"{cluster.name}: {cluster.size} cannot be had at low priority"
        return fail(what, f"choose another size in src/assets/compute/{cluster.name}.yml")
    kind = "low-priority" if cluster.low_priority else f"dedicated {size.family}"
    left = offered.cores_left(size, low_priority=cluster.low_priority)
    if left is None:
        return warn(f"{cluster.name}: Azure lists no limit of {kind} cores", "look under Quota in the studio")
    nodes = left // size.cores
    if nodes < 1:
        what = f"{cluster.name}: a node needs {size.cores} {kind} cores, and {left} are left"
        return fail(what, _ASK)
    if nodes < cluster.max_instances:
        return warn(
            f"{cluster.name}: {nodes} of {cluster.max_instances} nodes, {left} {kind} cores left", _ASK
        )
    return ok(f"{cluster.name}: {cluster.max_instances} nodes of {size.cores} {kind} cores")
