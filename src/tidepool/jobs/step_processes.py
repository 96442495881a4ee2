"""The processes of a step: each has a log, and the failure of one ends the others."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tidepool.azureml.run_history import Runs
from tidepool.jobs.distribution import JobProcess, job_processes
from tidepool.jobs.process import PROCESS_ID, LogStream, free_ports, run_process
from tidepool.jobs.step_folder import StepFolder

_TAIL = 4000  # characters of the log that an error quotes


class StepError(Exception):
    """A step that ended as Failed or Canceled. Its run shows `status` and `error`.

    `logged` says whether the log of the run has been written. If not, the reason becomes the log.
    """

    def __init__(self, code: str, message: str, status: str = "Failed", *, logged: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.logged = logged
        self.error = {"code": code, "message": message}


@dataclass(frozen=True)
class Program:
    """What each process of a step runs. `hint` explains a failure from the output, or returns nothing."""

    command: list[str]
    environ: dict[str, str]
    hint: Callable[[str], str]


@dataclass(frozen=True)
class StepProcesses:
    """The processes of the steps on this machine. They write their logs into the run history."""

    _runs: Runs

    async def run(self, folder: StepFolder, program: Program) -> None:
        """Run all processes of a job. If one fails, kill the others, and raise StepError with its log."""
        step = folder.run.step
        ports = free_ports(step.distribution.ports(step.instances)) if step.distribution else []
        plans = job_processes(step.distribution, step.instances, ports)
        tasks = {asyncio.create_task(self._run_process(folder, plan, program)): plan for plan in plans}
        waited_for = {task for task, plan in tasks.items() if plan.waited_for}
        pending = set(tasks)
        try:
            while pending & waited_for:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    if task in done:
                        task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_process(self, folder: StepFolder, plan: JobProcess, program: Program) -> None:
        run = folder.run

        async def write(data: bytes) -> None:
            await self._runs.log(run.workspace_id, run.run_id, plan.log, data)

        output = LogStream(write)
        variables = {
            **program.environ,
            **plan.variables,
            PROCESS_ID: f"{run.workspace}/{run.run_id}/{plan.log}",
        }
        exit_status = await run_process(program.command, cwd=folder.code, environ=variables, output=output)
        if exit_status != 0:
            if hint := program.hint(output.text):
                output.add(f"{hint}\n".encode())
                await output.flush()
            raise StepError(
                "UserError",
                f"Execution failed. User process exited with status code {exit_status}. "
                f"Please check log file '{plan.log}' for error details. Error: {output.text[-_TAIL:]}",
                logged=True,
            )
