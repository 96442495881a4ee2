"""Storage accounts: a pool that Azurite knows from its start, handed out name by name; and their keys."""

import base64
import hashlib
import hmac

from tidepool.default_resources import STORAGE_ACCOUNT, WORKSPACES
from tidepool.store import Store

POOL = 1000  # one environment variable of at most 128 KiB holds them all


class Accounts:
    """Keys are derived from the secret of the data folder, and so the same after a restart."""

    def __init__(self, *, store: Store, secret: str) -> None:
        self._store = store
        self._secret = secret

    def key(self, account: str) -> str:
        """The account's key, base64."""
        digest = hmac.digest(self._secret.encode(), account.encode(), hashlib.sha512)
        return base64.b64encode(digest).decode()

    def hand_out(self) -> str:
        """A storage account that nobody has used in this state folder."""
        number = self._store.next("storage-account")
        if number > POOL:
            raise ValueError(f"all {POOL} storage accounts are handed out; `tidepool reset` gives them back")
        return _name(number)

    def declared(self) -> dict[str, str]:
        """Every account that Azurite is started with, and its key."""
        names = [STORAGE_ACCOUNT, *WORKSPACES.values(), *(_name(number) for number in range(1, POOL + 1))]
        return {name: self.key(name) for name in names}


def _name(number: int) -> str:
    return f"tidepoolstore{number:04d}"
