"""A live sweep: runs its trials as child runs, and takes the outputs of the best one."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from tidepool.jobs.graph import Value
from tidepool.jobs.records import JobRecords
from tidepool.jobs.step_folder import StepRun
from tidepool.jobs.step_processes import StepError
from tidepool.jobs.sweep_plan import SweepPlan, Values

LOG = "azureml-logs/hyperdrive.txt"  # the log that `jobs.stream` shows of a sweep


@dataclass
class SweepRun:
    """The trials of one sweep. `run_trial` runs a trial up to its last state."""

    run: StepRun
    plan: SweepPlan
    records: JobRecords
    run_trial: Callable[[StepRun], Awaitable[dict[str, Value]]]
    _outputs: dict[str, dict[str, Value]] = field(default_factory=dict)
    _scores: dict[str, float] = field(default_factory=dict)
    _errors: list[str] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list)

    async def execute(self) -> dict[str, Value]:
        """Run all trials, and return the outputs of the best one. Raise StepError if there is none."""
        workspace_id, sweep = self.run.workspace_id, self.run.run_id
        for status in ("Preparing", "Queued", "Running"):
            await self.records.move(workspace_id, sweep, status)
        turns = asyncio.Semaphore(self.plan.max_concurrent)
        async with asyncio.TaskGroup() as group:
            for number, values in enumerate(self.plan.trials(sweep)):
                group.create_task(self._run(f"{sweep}_{number}", values, turns))
        best = self.plan.best(self._scores)
        if best is None:
            reason = self._errors[0] if self._errors else f"no trial logged the metric {self.plan.metric}"
            raise StepError("UserError", f"The sweep has no best trial: {reason}")
        score = {"best_child_run_id": best, "score": str(self._scores[best])}
        self.records.set_properties(workspace_id, sweep, score)
        await self._log(f"The best trial is {best}: {self.plan.metric} = {self._scores[best]}")
        await self.records.move(workspace_id, sweep, "Finalizing")
        return self._outputs[best]

    async def _run(self, name: str, values: Values, turns: asyncio.Semaphore) -> None:
        """Run a trial as soon as it is its turn. A trial that fails does not end the sweep."""
        async with turns:
            trial = self._trial(name, values)
            child = {
                "runId": name,
                "parentRunId": self.run.run_id,
                "displayName": name,
                "runType": "azureml.scriptrun",
                "target": trial.step.compute,
                "tags": {"hyperparameters": json.dumps(values)},
            }
            self.records.create(self.run.workspace_id, child)
            await self._log(f"Trial {name} starts with {json.dumps(values)}")
            try:
                self._outputs[name] = await self.run_trial(trial)
            except StepError as error:
                self._errors.append(f"trial {name}: {error}")
                return await self._log(f"Trial {name} ended as {error.status}: {error}")
            score = self.records.metric(self.run.workspace_id, name, self.plan.metric)
            if score is not None:
                self._scores[name] = score
            await self._log(f"Trial {name} ended as Completed: {self.plan.metric} = {score}")

    def _trial(self, name: str, values: Values) -> StepRun:
        step = self.run.step
        outputs = {key: replace(output, asset_name=None) for key, output in step.outputs.items()}
        searched = {key: Value(text) for key, text in values.items() if key in step.inputs}
        trial = replace(
            step,
            name=name,
            kind="command",
            sweep=None,
            outputs=outputs,
            timeout_s=self.plan.trial_timeout_s,
        )
        inputs = {**self.run.inputs, **searched}
        return replace(self.run, run_id=name, step=trial, inputs=inputs, searched=values)

    async def _log(self, line: str) -> None:
        self._lines.append(f"{line}\n")
        await self.records.log(self.run.workspace_id, self.run.run_id, LOG, "".join(self._lines))
