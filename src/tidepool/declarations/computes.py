"""Computes: clusters and compute instances."""

from tidepool.declarations.metadata import IDENTITY, LOCATED
from tidepool.declarations.words import Table, choice, read_only, refused, stored, unlisted, used

_CLUSTER = "integration/tidepool_resources::a_cluster_is_provisioned_resized_and_deleted"
_REFUSED = "integration/tidepool_resources::an_impossible_cluster_is_refused"
_PREEMPTED = "integration/tidepool_jobs::a_low_priority_job_is_preempted_and_a_dedicated_one_is_not"
_NODES = "integration/tidepool_jobs::a_cluster_of_one_node_runs_one_step_at_a_time_and_cancel_ends_both"
_INSTANCE = "integration/tidepool_declarations::a_compute_instance_stops_and_starts"

_LOGIN = "no node can be logged in to"
_NETWORK = "Tidepool has no virtual networks"
_IDLE = "nodes are there at once and cost nothing"
_ATTACHED = "other computes than clusters and compute instances are not emulated"

_OTHER_TYPES = (
    "AKS",
    "Kubernetes",
    "VirtualMachine",
    "SynapseSpark",
    "HDInsight",
    "DataFactory",
    "Databricks",
    "DataLakeAnalytics",
)
_SET_BY_AZURE = (
    "osImageMetadata",
    "connectivityEndpoints",
    "applications",
    "createdBy",
    "lastOperation",
    "containers",
    "dataDisks",
    "dataMounts",
    "versions",
)

_CLUSTER_PROPERTIES: Table = {
    "errors": read_only(list),
    "allocationState": read_only(str),
    "vmSize": used(_REFUSED),
    "vmPriority": used(_PREEMPTED),
    "osType": refused("nodes run Linux", str, only=("Linux",)),
    "scaleSettings": {
        "maxNodeCount": used(_NODES, int),
        "minNodeCount": used(_REFUSED, int),
        "nodeIdleTimeBeforeScaleDown": stored(_IDLE),
    },
    "remoteLoginPortPublicAccess": stored(_LOGIN),
    "userAccountCredentials": {
        "adminUserName": stored(_LOGIN),
        "adminUserSshPublicKey": stored(_LOGIN),
        "adminUserPassword": refused(_LOGIN, str),
    },
    "enableNodePublicIp": refused(_NETWORK, bool, only=(True,)),
    "isolatedNetwork": refused(_NETWORK, bool, only=(False,)),
    "subnet": refused(_NETWORK, dict),
    "virtualMachineImage": refused("nodes are this machine", dict),
    "propertyBag": refused("it configures nodes, which are this machine"),
    "allocationStateTransitionTime": read_only(str),
    "currentNodeCount": read_only(int),
    "targetNodeCount": read_only(int),
    "nodeStateCounts": read_only(dict),
}
_INSTANCE_PROPERTIES: Table = {
    "errors": read_only(list),
    "vmSize": stored("the instance is this machine"),
    "applicationSharingPolicy": stored("there are no applications on the instance"),
    "computeInstanceAuthorizationType": stored(_LOGIN),
    "sshSettings": stored(_LOGIN, dict),
    "enableSSO": stored(_LOGIN, bool),
    "enableRootAccess": unlisted(stored(_LOGIN, bool)),
    "enableOSPatching": unlisted(stored("the instance is this machine", bool)),
    "releaseQuotaOnStop": unlisted(stored("Tidepool has no quotas", bool)),
    "personalComputeInstanceSettings": refused("an instance is not assigned to a person", dict),
    "enableNodePublicIp": refused(_NETWORK, bool, only=(True,)),
    "subnet": refused(_NETWORK, dict),
    "customServices": refused("there are no applications on the instance", list),
    "setupScripts": refused("the instance is this machine, which is not set up", dict),
    "schedules": refused("an instance does not start and stop by itself", dict),
    "idleTimeBeforeShutdown": refused("an instance does not stop by itself", str),
    "state": read_only(str),
    **{name: read_only() for name in _SET_BY_AZURE},
}
COMPUTE: Table = {
    **LOCATED,
    "identity": IDENTITY,
    "sku": refused("computes have a VM size instead", dict),
    "properties": choice(
        "computeType",
        {
            "computeLocation": stored("every resource is on this machine"),
            "description": stored("it describes the compute for people"),
            "disableLocalAuth": stored(_LOGIN, bool),
            "resourceId": refused(_ATTACHED),
            "provisioningState": read_only(str),
            "createdOn": read_only(str),
            "modifiedOn": read_only(str),
            "provisioningErrors": read_only(list),
            "isAttachedCompute": read_only(bool),
        },
        default="AmlCompute",  # the body of a PATCH does not repeat it
        variants={
            "AmlCompute": {"properties": _CLUSTER_PROPERTIES},
            "ComputeInstance": {"properties": _INSTANCE_PROPERTIES},
            **{name: refused(_ATTACHED) for name in _OTHER_TYPES},
        },
    ),
}
