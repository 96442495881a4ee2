"""The queue and the ledger of the previous release: a message of every command, rows of every kind."""

import json
from pathlib import Path
from typing import Any

from tests.support.azure_clients import table_service
from tidegate.bootstrap import Service

STORED: dict[str, list[Any]] = json.loads(
    (Path(__file__).parents[1] / "data/previous_release.json").read_text()
)
MESSAGES: list[str] = STORED["queue"]


def store_ledger(service: Service, account: str) -> None:
    """Create the tables, and add the stored rows to them."""
    service.ledger.create()
    tables = table_service(account)
    for row in STORED["ledger"]:
        tables.get_table_client(row["table"]).create_entity(row["entity"])
