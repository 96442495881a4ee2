"""Schedules of a workspace."""

from dataclasses import replace

from tidepool.declarations.jobs import JOB, PIPELINE
from tidepool.declarations.metadata import DESCRIBED, RESOURCE
from tidepool.declarations.words import Table, choice, read_only, refused, stored, used

_STORED = "integration/tidepool_resources::a_schedule_is_stored_until_it_is_disabled_and_deleted"
_FIRES = "unit/tidepool_triggers::a_trigger_fires_at_the_times_of_its_zone"
_COPIES = "integration/tidepool_schedules::a_schedule_can_copy_a_job_and_is_triggered_on_request"

_TRIGGER = choice(
    "triggerType",
    {"startTime": used(_FIRES), "endTime": used(_FIRES), "timeZone": used(_FIRES)},
    {
        "Cron": {"expression": used(_FIRES)},
        "Recurrence": {
            "frequency": used(_FIRES),
            "interval": used(_FIRES, int),
            "schedule": {
                "hours": used(_FIRES, list),
                "minutes": used(_FIRES, list),
                "monthDays": used(_FIRES, list),
                "weekDays": used(_FIRES, list),
            },
        },
    },
)
_JOB = replace(JOB, variants={**JOB.variants, "Pipeline": {**PIPELINE, "sourceJobId": used(_COPIES)}})
TRIGGER_NOW: Table = {"scheduleTime": used(_COPIES)}
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
                "CreateJob": {"jobDefinition": _JOB},
                "CreateMonitor": refused("model monitoring runs on Spark, which Tidepool does not have"),
                "InvokeBatchEndpoint": refused("schedules start jobs only, and no batch endpoints"),
                "ImportData": refused("data is not imported from databases and file systems"),
            },
        ),
    },
}
