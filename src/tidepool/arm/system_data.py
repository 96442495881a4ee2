"""`systemData`: who created a resource, who last changed it, and when."""

from datetime import datetime

from tidepool.store import Document


def with_system_data(document: Document, now: datetime, by: str) -> Document:
    """Return the document with an updated `systemData`. The recorded creator and creation time are kept."""
    moment = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    changed = {"lastModifiedAt": moment, "lastModifiedBy": by, "lastModifiedByType": "Application"}
    created = {"createdAt": moment, "createdBy": by, "createdByType": "Application"}
    return {**document, "systemData": {**created, **document.get("systemData", {}), **changed}}
