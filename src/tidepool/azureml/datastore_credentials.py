"""The credentials of datastores, which Azure ML keeps as secrets of the workspace and uses for jobs."""

from dataclasses import dataclass, field

from tidepool.access.applications import Applications
from tidepool.storage.blobs import Blobs
from tidepool.store import Document, Store

_COLLECTION = "/datastoreSecrets"
# credentialsType -> the name of its secret
SECRETS = {"AccountKey": "key", "Sas": "sasToken", "ServicePrincipal": "clientSecret"}
# What answers show of the credentials.
_SHOWN = ("credentialsType", "authorityUrl", "resourceUrl", "tenantId", "clientId")


@dataclass(frozen=True)
class DatastoreCredential:
    """A SAS, or the secret of a service principal, with which the data of a datastore is read and written."""

    datastore: str
    sas: str = field(default="", repr=False)
    tenant_id: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)

    def blobs(self, own: Blobs, applications: Applications) -> Blobs:
        """Return the blobs as these credentials may use them. Raise AzureError if they are wrong."""
        if self.sas:
            return own.with_sas(self.sas)
        return own.acting_as(applications.sign_in(self.tenant_id, self.client_id, self.client_secret))


def shown(credentials: Document) -> Document:
    """Return the credentials of a datastore without secrets."""
    known = {key: credentials[key] for key in _SHOWN if credentials.get(key)}
    return {"credentialsType": "None", **known}


def keep_secret(store: Store, datastore_id: str, credentials: Document) -> None:
    """Keep the secret of new credentials. Without a new one, the secret of the same type stays."""
    kind, path = str(credentials.get("credentialsType")), _path(datastore_id)
    name = SECRETS.get(kind)
    value = (credentials.get("secrets") or {}).get(name)
    if name and value:
        store.put(path, {"secretsType": kind, name: value})
    elif (store.get(path) or {}).get("secretsType") != kind:
        store.delete(path)


def secret_of(store: Store, datastore_id: str) -> Document | None:
    """Return the secret of a datastore as `listsecrets` answers it, or None if none was given."""
    return store.get(_path(datastore_id))


def forget_secret(store: Store, datastore_id: str) -> None:
    store.delete(_path(datastore_id))


def credential_of(store: Store, datastore_id: str, credentials: Document) -> DatastoreCredential | None:
    """Return the credentials of a datastore with their secret.

    Return None for an account key, and if there are no credentials.
    """
    secret, name = secret_of(store, datastore_id) or {}, datastore_id.rpartition("/")[2]
    match credentials.get("credentialsType"):
        case "Sas":
            return DatastoreCredential(name, sas=secret.get("sasToken", ""))
        case "ServicePrincipal":
            return DatastoreCredential(
                name,
                tenant_id=credentials["tenantId"],
                client_id=credentials["clientId"],
                client_secret=secret.get("clientSecret", ""),
            )
    return None


def _path(datastore_id: str) -> str:
    return f"{_COLLECTION}/{datastore_id.strip('/').replace('/', '|')}"
