"""Times for people: in the time zone of tidegate.yml, with the offset that the zone has on that date."""

from datetime import datetime, tzinfo


def local_time(at: datetime, zone: tzinfo) -> str:
    """Return a time in a zone, to the minute: `2026-11-05 09:30 +01:00`.

    The offset is that of the date shown. Neither today's offset nor the machine's zone has an effect.
    """
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M} {local.isoformat()[-6:]}"
