"""System topics: one for each storage account and workspace, with the identities that users give to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidepool.access.principals import Principal, guid, with_object_ids
from tidepool.arm.requests import resource
from tidepool.arm.resource_groups import resources_in
from tidepool.default_resources import LOCATION
from tidepool.errors import AzureError, not_found
from tidepool.store import Document, Store

PROVIDER = "Microsoft.EventGrid"
# The types of resources that have system topics. ARM and Event Grid name these types differently.
_SOURCES = {
    "Microsoft.Storage/storageAccounts": "Microsoft.Storage.StorageAccounts",
    "Microsoft.MachineLearningServices/workspaces": "Microsoft.MachineLearningServices.Workspaces",
}
_TYPE = f"{PROVIDER}/systemTopics"


@dataclass(frozen=True)
class TopicIdentity:
    """The identity of a topic that a subscription uses: a user-assigned one by its id, or the topic's own."""

    user_assigned: str = ""

    @classmethod
    def read(cls, spec: Mapping[str, Any]) -> "TopicIdentity":
        """Read the `identity` of a subscription. Raise AzureError 400 if it is incomplete."""
        type_, user_assigned = str(spec.get("type")), str(spec.get("userAssignedIdentity") or "")
        if type_.lower() == "userassigned" and user_assigned:
            return cls(user_assigned)
        if type_.lower() == "systemassigned":
            return cls()
        raise AzureError(
            400,
            "InvalidRequest",
            f"The identity of the type {type_!r} needs a type, SystemAssigned or UserAssigned, and the "
            f"latter a userAssignedIdentity; it is {user_assigned!r}.",
        )

    def principal(self, topic: Document | None, source: str) -> Principal:
        """Return the principal of this identity of a topic, whose events come from `source`.

        Raise AzureError 400 if the topic has no such identity.
        """
        own = (topic or {}).get("identity") or {}
        ids: Mapping[str, Any] = own
        if self.user_assigned:
            assigned = own.get("userAssignedIdentities") or {}
            ids = {name.lower(): item for name, item in assigned.items()}.get(self.user_assigned.lower(), {})
        if topic is None or not ids.get("principalId"):
            wanted = f"identity '{self.user_assigned}'" if self.user_assigned else "identity of its own"
            raise AzureError(
                400,
                "InvalidRequest",
                f"The topic of {source} has no {wanted}. Give the custom topic, or a system topic of the "
                "resource, an identity of the type 'SystemAssigned' or 'UserAssigned' first.",
            )
        client_id = ids.get("clientId") or guid(f"{ids['principalId']}/client")
        return Principal(topic["name"], ids["principalId"], client_id)


class SystemTopics:
    """All system topics. Each source has one with the name of the resource, unless a user made another."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self, scope: str = "") -> list[Document]:
        """Return the topics in a resource group, given by its id, or in all groups."""
        sources = {document["properties"]["source"].lower() for document in resources_in(self._store, _TYPE)}
        implied = self._implied(scope)
        others = [topic for topic in implied if topic["properties"]["source"].lower() not in sources]
        return [*resources_in(self._store, _TYPE, scope), *others]

    def at(self, topic_id: str) -> Document:
        """Return the topic with an id. Raise AzureError 404 if there is none."""
        if (made := self._store.get(topic_id)) is not None:
            return made
        for topic in self.all():
            if topic["id"].lower() == topic_id.lower():
                return topic
        raise not_found(topic_id)

    def put(self, topic_id: str, body: Mapping[str, Any]) -> tuple[Document, bool]:
        """Create or change a topic. Return it, and whether it is new.

        Raise AzureError 400 if its source is no resource with events, or has another topic.
        """
        existing = self._store.get(topic_id)
        known = {**(existing or {}), **{key: value for key, value in body.items() if value is not None}}
        properties = {**(existing or {}).get("properties", {}), **(body.get("properties") or {})}
        source, topic_type = str(properties.get("source")), str(properties.get("topicType"))
        self._check(topic_id, source, topic_type)
        outer = {key: known.get(key) for key in ("location", "tags")}
        identity = with_object_ids(topic_id, body.get("identity")) or (existing or {}).get("identity")
        document = resource(
            topic_id,
            {"source": source, "topicType": topic_type, "provisioningState": "Succeeded"},
            **{key: value for key, value in {**outer, "identity": identity}.items() if value is not None},
        )
        self._store.put(topic_id, document)
        return document, existing is None

    def delete(self, topic_id: str) -> bool:
        """Delete a topic that a user made. Return whether there was one."""
        return self._store.delete(topic_id)

    def principal(self, source: str, identity: TopicIdentity) -> Principal:
        """Return the principal of an identity of the topic of a source.

        Raise AzureError 400 if the topic has no such identity.
        """
        topic = next((topic for topic in self.all() if _is_of(topic, source)), None)
        return identity.principal(topic, source)

    def _check(self, topic_id: str, source: str, topic_type: str) -> None:
        kinds = {f"/{kind}/".lower(): name for kind, name in _SOURCES.items()}
        wanted = next((name for kind, name in kinds.items() if kind in source.lower()), None)
        if wanted is None or self._store.get(source) is None:
            raise _invalid(f"The source '{source}' is no storage account and no workspace that exists.")
        if topic_type.lower() != wanted.lower():
            raise _invalid(f"The topicType is '{topic_type}': the one of this source is '{wanted}'.")
        for other in resources_in(self._store, _TYPE):
            if _is_of(other, source) and other["id"].lower() != topic_id.lower():
                raise _invalid(f"Only one system topic is allowed per source, which is '{other['name']}'.")

    def _implied(self, scope: str) -> list[Document]:
        return [
            resource(
                f"{document['id'].partition('/providers/')[0]}/providers/{_TYPE}/{document['name']}",
                {"source": document["id"], "topicType": topic_type, "provisioningState": "Succeeded"},
                location=LOCATION,
            )
            for source, topic_type in _SOURCES.items()
            for document in resources_in(self._store, source, scope)
        ]


def _is_of(topic: Document, source: str) -> bool:
    return bool(topic["properties"]["source"].lower() == source.rstrip("/").lower())


def _invalid(message: str) -> AzureError:
    return AzureError(400, "InvalidRequest", message)
