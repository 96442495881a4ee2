"""Schedules of a workspace."""

from tidepool.declarations.jobs import JOB
from tidepool.declarations.metadata import DESCRIBED, RESOURCE
from tidepool.declarations.words import Table, choice, read_only, refused, stored, used

_STORED = "integration/tidepool_resources::a_schedule_is_stored_until_it_is_disabled_and_deleted"
_NEVER = "schedules do not start jobs, which docs/tidepool.md says"

_TRIGGER = choice(
    "triggerType",
    {"startTime": stored(_NEVER), "endTime": stored(_NEVER), "timeZone": stored(_NEVER)},
    {
        "Cron": {"expression": stored(_NEVER)},
        "Recurrence": {
            "frequency": stored(_NEVER),
            "interval": stored(_NEVER, int),
            "schedule": {
                "hours": stored(_NEVER, list),
                "minutes": stored(_NEVER, list),
                "monthDays": stored(_NEVER, list),
                "weekDays": stored(_NEVER, list),
            },
        },
    },
)
SCHEDULE: Table = {
    **RESOURCE,
    "properties": {
        **DESCRIBED,
        "displayName": stored("it describes the schedule for people"),
        "isEnabled": used(_STORED, bool),
        "provisioningState": read_only(str),
        "trigger": _TRIGGER,
        "action": choice(
            "actionType",
            {},
            {
                "CreateJob": {"jobDefinition": JOB},
                "CreateMonitor": refused("model monitoring runs on Spark, which Tidepool does not have"),
                "InvokeBatchEndpoint": refused("schedules do not start jobs"),
                "ImportData": refused("data is not imported from databases and file systems"),
            },
        ),
    },
}
