"""The state of a cluster, for people who want to know why a job does not start: nodes, errors, quota."""

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.cloud.arm import ArmClient
from tidegate.cloud.quotas import region
from tidegate.config.workspaces import WorkspaceConfig
from tidegate.errors import NotFoundError, TidegateError

_API_VERSION = "2024-04-01"


class ClusterStateClient:
    """A client that describes the clusters of one workspace."""

    def __init__(self, workspace: WorkspaceConfig, arm: ArmClient) -> None:
        self._workspace = workspace
        self._arm = arm

    def describe(self, cluster: str) -> list[str]:
        """Return sentences about a cluster: its nodes, Azure's errors, and the cores asked for and free.

        What cannot be read is named with the reason, because these facts only explain other news.
        """
        try:
            compute = self._arm.get(f"{self._workspace.arm_id}/computes/{cluster}", _API_VERSION)
        except NotFoundError:
            return [f"Cluster {cluster} does not exist."]
        except TidegateError as error:
            return [f"The state of cluster {cluster} could not be read: {error}."]
        properties = compute["properties"].get("properties") or {}
        location = compute["properties"].get("computeLocation") or compute.get("location")
        return [*_nodes(cluster, properties), *self._quota(properties, location)]

    def _quota(self, properties: Mapping[str, Any], location: str | None) -> Iterator[str]:
        size, nodes = properties.get("vmSize"), _most_nodes(properties)
        if not size or not location:
            return
        low_priority = str(properties.get("vmPriority")).lower() == "lowpriority"
        try:
            offered = region(self._arm, self._workspace.subscription, location)
        except TidegateError as error:
            yield f"The quota could not be read: {error}."
            return
        vm_size = offered.sizes.get(size.upper())
        if vm_size is None:
            yield f"The size {size} is not offered in {location}."
            return
        left = offered.cores_left(vm_size, low_priority=low_priority)
        kind = "low-priority" if low_priority else f"dedicated {vm_size.family}"
        free = "Azure lists no quota for them" if left is None else f"{left} are free"
        yield f"It asks for up to {nodes * vm_size.cores} {kind} cores in {location}; {free}."


def _nodes(cluster: str, properties: Mapping[str, Any]) -> Iterator[str]:
    counts = properties.get("nodeStateCounts") or {}
    states = ", ".join(f"{count} {name.removesuffix('NodeCount')}" for name, count in counts.items() if count)
    nodes = f"{properties.get('currentNodeCount', 0)} of at most {_most_nodes(properties)} nodes"
    allocation = properties.get("allocationState") or "unknown"
    yield f"Cluster {cluster} has {nodes}{f' ({states})' if states else ''}; its allocation is {allocation}."
    for error in properties.get("errors") or []:
        yield f"Azure says of the cluster: {(error.get('error') or error).get('message') or error}"


def _most_nodes(properties: Mapping[str, Any]) -> int:
    return int((properties.get("scaleSettings") or {}).get("maxNodeCount") or 1)
