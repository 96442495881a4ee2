"""The states of a run, and which may follow which."""

# https://learn.microsoft.com/python/api/azureml-core/azureml.core.run.run#azureml-core-run-run-get-status
_LIVE = ("NotStarted", "Provisioning", "Preparing", "Starting", "Queued", "Running", "Finalizing")
_ENDINGS = frozenset({"CancelRequested", "Canceled", "Failed"})
# A run may skip states. The only step back is from Running to Queued, because a preempted run waits for nodes
# again.
TRANSITIONS: dict[str, frozenset[str]] = {
    **{state: frozenset(_LIVE[index + 1 :]) | _ENDINGS for index, state in enumerate(_LIVE)},
    "Running": frozenset({"Queued", "Finalizing", "Completed", "NotResponding"}) | _ENDINGS,
    "Finalizing": frozenset({"Completed"}) | _ENDINGS,
    "NotResponding": frozenset({"Running", "Completed"}) | _ENDINGS,
    "CancelRequested": frozenset({"Canceled", "Completed", "Failed"}),
    "Completed": frozenset(),
    "Canceled": frozenset(),
    "Failed": frozenset(),
}
FINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)
