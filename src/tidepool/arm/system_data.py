"""`systemData`: who made and who last changed a resource, and when."""

from datetime import datetime

from tidepool.store import Document


def stamp(document: Document, now: datetime, by: str) -> Document:
    """The document with its `systemData` brought up to date; the creation stays what it was."""
    moment = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    changed = {"lastModifiedAt": moment, "lastModifiedBy": by, "lastModifiedByType": "Application"}
    created = {"createdAt": moment, "createdBy": by, "createdByType": "Application"}
    return {**document, "systemData": {**created, **document.get("systemData", {}), **changed}}
