"""The storage accounts of a Tidepool and their keys. Azurite must know all accounts when it starts."""

import base64
import hashlib
import hmac

from tidepool.default_resources import STORAGE_ACCOUNT, WORKSPACES
from tidepool.store import Store

POOL = 1000  # all accounts must fit in one environment variable of at most 128 KiB


class Accounts:
    """The default accounts, and a pool of further accounts for workspaces and tests.

    Keys are derived from the secret of the data folder, so that they are the same after a restart.
    """

    def __init__(self, *, store: Store, secret: str) -> None:
        self._store = store
        self._secret = secret

    def key(self, account: str) -> str:
        """Return the key of an account, base64."""
        digest = hmac.digest(self._secret.encode(), account.encode(), hashlib.sha512)
        return base64.b64encode(digest).decode()

    def hand_out(self) -> str:
        """Return the name of the next unused account of the pool."""
        number = self._store.next("storage-account")
        if number > POOL:
            raise ValueError(
                f"all {POOL} storage accounts of this data folder are used; "
                "run `tidepool reset` to delete its state and start again"
            )
        return _name(number)

    def declared(self) -> dict[str, str]:
        """Return all accounts that Azurite starts with, and their keys."""
        names = [STORAGE_ACCOUNT, *WORKSPACES.values(), *(_name(number) for number in range(1, POOL + 1))]
        return {name: self.key(name) for name in names}


def _name(number: int) -> str:
    return f"tidepoolstore{number:04d}"
