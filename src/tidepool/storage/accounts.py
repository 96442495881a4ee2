"""The keys of storage accounts, and the names of accounts that Tidepool creates itself."""

import base64
import hashlib
import hmac

from tidepool.arm.resource_groups import account_id
from tidepool.store import Store


class Accounts:
    """The names and keys of accounts.

    Keys are derived from the secret of the data folder, so that they are the same after a restart. Azurite
    derives them in the same way (`account_keys.cjs`).
    """

    def __init__(self, *, store: Store, secret: str) -> None:
        self._store = store
        self.secret = secret

    def key(self, account: str, number: int = 1) -> str:
        """Return the first or the second key of an account, base64."""
        text = account if number == 1 else f"{account}/key{number}"
        digest = hmac.digest(self.secret.encode(), text.encode(), hashlib.sha512)
        return base64.b64encode(digest).decode()

    def takes_keys(self, account: str) -> bool:
        """Return whether an account accepts requests that are signed with its keys."""
        document = self._store.get(account_id(self._store, account)) or {}
        return (document.get("properties") or {}).get("allowSharedKeyAccess") is not False

    def hand_out(self) -> str:
        """Return a name for a new account, which no account has."""
        while True:
            name = f"tidepoolstore{self._store.next('storage-account'):04d}"
            if self._store.get(account_id(self._store, name)) is None:
                return name
