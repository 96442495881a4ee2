"""Properties that many resources share: metadata, identity, and the outer fields of Resource Manager."""

from tidepool.declarations.words import Table, read_only, refused, stored, used

_METADATA = "it describes the resource for people, and Azure's services do not act on it"
_PRICES = "Tidepool has no prices and no quotas"

NAMED: Table = {"description": stored(_METADATA), "properties": stored(_METADATA, dict)}
DESCRIBED: Table = {
    **NAMED,
    "tags": used("integration/tidepool_history::jobs_are_listed_newest_first_by_tag_and_view", dict),
}
ARCHIVED: Table = {
    "isArchived": used(
        "integration/tidepool_resources::archived_versions_are_neither_listed_nor_the_latest", bool
    )
}
# What every resource has. A body that was read with GET and is sent again has the read-only ones, too.
RESOURCE: Table = {
    "id": read_only(str),
    "name": read_only(str),
    "type": read_only(str),
    "apiVersion": read_only(str),
    "systemData": read_only(dict),
}
LOCATED: Table = {
    **RESOURCE,
    "location": stored("every resource is on this machine"),
    "tags": stored(_METADATA, dict),
}
SKU: Table = {
    "name": stored(_PRICES),
    "tier": stored(_PRICES),
    "size": refused("the resource has no sizes"),
    "family": refused("the resource has no families"),
    "capacity": refused("the resource has no number of instances", int),
}
IDENTITY: Table = {
    "type": used("integration/tidepool_roles::a_job_has_the_roles_of_its_cluster"),
    "userAssignedIdentities": used(
        "integration/tidepool_topic_identities::dead_letters_are_written_as_the_topic", dict
    ),
    "principalId": read_only(str),
    "tenantId": read_only(str),
}
