"""The processes of a command job: one, or those that Azure ML starts for a `distribution`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidepool.errors import AzureError

_HOST = "127.0.0.1"
LOG = "user_logs/std_log.txt"  # of a job with one process


@dataclass(frozen=True)
class Distribution:
    """How a command runs: `processes` on each node for PyTorch, or TensorFlow's tasks."""

    kind: str
    processes: int = 1
    workers: int | None = None
    parameter_servers: int = 0

    def ports(self, nodes: int) -> int:
        """Return how many free ports the processes need."""
        return 1 if self.kind == "pytorch" else (self.workers or nodes) + self.parameter_servers


@dataclass(frozen=True)
class JobProcess:
    """A process of a job: its log, its own variables, and whether the job waits for its end."""

    log: str = LOG
    variables: Mapping[str, str] = field(default_factory=dict)
    waited_for: bool = True


def read_distribution(body: Mapping[str, Any] | None, where: str) -> Distribution | None:
    """Return the distribution of a job or a node. `where` names it in errors.

    Jobs, nodes and components spell the keys differently. Raise AzureError 501 if Tidepool does not run it,
    and ValueError if a number in it is none.
    """
    if not body:
        return None
    values = {key.replace("_", "").lower(): value for key, value in body.items() if value is not None}
    kind = str(values.get("distributiontype") or values.get("type") or "")
    if kind.lower() == "pytorch":
        return Distribution("pytorch", processes=_number(values, "processcountperinstance", 1, where))
    if kind.lower() == "tensorflow":
        workers = _number(values, "workercount", 0, where) or None
        return Distribution(
            "tensorflow",
            workers=workers,
            parameter_servers=_number(values, "parameterservercount", 0, where),
        )
    message = (
        f"Tidepool does not emulate the distribution '{kind}' ({where}). It runs PyTorch and TensorFlow."
    )
    raise AzureError(501, "NotEmulated", message)


def job_processes(distribution: Distribution | None, nodes: int, ports: Sequence[int]) -> list[JobProcess]:
    """Return the processes of a job on `nodes` nodes. `ports` are free ports, as many as it needs."""
    if distribution is None:
        return [JobProcess()]
    if distribution.kind == "pytorch":
        return _pytorch(distribution.processes, nodes, ports[0])
    return _tensorflow(distribution.workers or nodes, distribution.parameter_servers, ports)


def _pytorch(per_node: int, nodes: int, port: int) -> list[JobProcess]:
    """Return one process for each rank, with the variables of `torch.distributed`."""
    # https://learn.microsoft.com/azure/machine-learning/how-to-train-distributed-gpu
    return [
        JobProcess(
            _log(rank),
            {
                "MASTER_ADDR": _HOST,
                "MASTER_PORT": str(port),
                "WORLD_SIZE": str(per_node * nodes),
                "RANK": str(rank),
                "LOCAL_RANK": str(rank % per_node),
                "NODE_RANK": str(rank // per_node),
            },
        )
        for rank in range(per_node * nodes)
    ]


def _tensorflow(workers: int, parameter_servers: int, ports: Sequence[int]) -> list[JobProcess]:
    """Return one process for each task, with TF_CONFIG. Parameter servers end with the workers."""
    hosts = [f"{_HOST}:{port}" for port in ports]
    cluster = {"worker": hosts[:workers]}
    if parameter_servers:
        cluster["ps"] = hosts[workers:]

    def process(kind: str, index: int) -> JobProcess:
        task = {"cluster": cluster, "task": {"type": kind, "index": index}, "environment": "cloud"}
        log = _log(index) if kind == "worker" else _log(index).replace(".txt", "_ps.txt")
        return JobProcess(log, {"TF_CONFIG": json.dumps(task)}, waited_for=kind == "worker")

    return [process(kind, index) for kind, names in cluster.items() for index in range(len(names))]


def _log(rank: int) -> str:
    return f"user_logs/std_log_process_{rank:02d}.txt"


def _number(values: Mapping[str, Any], key: str, default: int, where: str) -> int:
    value = values.get(key, default)
    if not str(value).isdecimal():
        raise ValueError(f"the distribution of {where} has {key} {value!r}, which is not a number")
    return int(value)
