"""The contract of Azure ML's parallel steps, kept by the driver process itself."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

ECHO = """
    from pathlib import Path

    def run(mini_batch):
        return [Path(file).name for file in mini_batch]
"""


class Step:
    """A folder with inputs and an entry script, run as a parallel step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inputs = folder / "inputs"
        self.inputs.mkdir()
        self.rows = folder / "rows.txt"

    def files(self, count: int, size: int = 1) -> None:
        for number in range(count):
            (self.inputs / f"{number:03d}.txt").write_bytes(b"x" * size)

    def run(self, script: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        (self.folder / "entry.py").write_text(textwrap.dedent(script))
        defaults = {
            "entry_script": "entry.py",
            "input": str(self.inputs),
            "workers": 2,
            "append_row_to": str(self.rows),
        }
        config = self.folder / "settings.json"
        config.write_text(json.dumps({**defaults, **settings}))
        command = [sys.executable, "-m", "tidepool.jobs.parallel", str(config)]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return Step(tmp_path)


def test_each_file_is_handed_out_once_and_the_rows_are_joined_in_order(step: Step) -> None:
    step.files(7)

    ended = step.run(ECHO, mini_batch_size="3")

    assert ended.returncode == 0, ended.stderr
    assert step.rows.read_text().split() == [f"{number:03d}.txt" for number in range(7)]


def test_a_size_in_bytes_fills_mini_batches_up_to_it(step: Step) -> None:
    step.files(5, size=600)

    ended = step.run("def run(batch):\n    return [str(len(batch))] * len(batch)", mini_batch_size="1kb")

    assert ended.returncode == 0, ended.stderr
    assert step.rows.read_text().split() == ["1"] * 5


def test_init_and_shutdown_run_once_in_each_worker_and_see_the_arguments(step: Step) -> None:
    step.files(4)
    script = """
        import argparse, os
        from pathlib import Path

        def init():
            parser = argparse.ArgumentParser()
            parser.add_argument("--mark")
            global mark
            mark = parser.parse_known_args()[0].mark
            Path(f"init-{os.getpid()}").touch(exist_ok=False)

        def run(mini_batch, mini_batch_context):
            return [f"{mark} {mini_batch_context.minibatch_index}"]

        def shutdown():
            Path(f"shutdown-{os.getpid()}").touch(exist_ok=False)
    """

    ended = step.run(script, arguments=["--mark", "m", "--error_threshold", "0"])

    assert ended.returncode == 0, ended.stderr
    assert step.rows.read_text().splitlines() == ["m 0", "m 1", "m 2", "m 3"]
    assert len(list(step.folder.glob("init-*"))) == len(list(step.folder.glob("shutdown-*"))) > 0


def test_a_failing_mini_batch_is_retried_and_leaves_its_rows_once(step: Step) -> None:
    step.files(2)
    script = """
        from pathlib import Path

        def run(mini_batch):
            seen = Path(Path(mini_batch[0]).name + ".seen")
            if not seen.exists():
                seen.touch()
                raise RuntimeError("the first time always fails")
            return ["row"]
    """

    ended = step.run(script, mini_batch_error_threshold=0, max_retries=1)

    assert ended.returncode == 0, ended.stderr
    assert step.rows.read_text() == "row\nrow\n"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"mini_batch_error_threshold": 0}, "mini_batch_error_threshold is 0"),
        ({"error_threshold": 0}, "error_threshold is 0"),
        ({"allowed_failed_percent": 10.0}, "allowed_failed_percent is 10"),
    ],
)
def test_fewer_results_than_inputs_fail_the_mini_batch(
    step: Step, settings: dict[str, Any], reason: str
) -> None:
    step.files(4)

    ended = step.run("def run(batch):\n    return batch[1:]", mini_batch_size="2", max_retries=0, **settings)

    assert ended.returncode == 1
    assert reason in ended.stderr
    assert not step.rows.exists()


def test_the_defaults_tolerate_that_everything_fails(step: Step) -> None:
    step.files(2)

    ended = step.run("def run(batch):\n    raise ValueError('no')", max_retries=0)

    assert ended.returncode == 0
    assert step.rows.read_text() == ""


def test_a_call_that_takes_too_long_is_killed_and_tried_again(step: Step) -> None:
    step.files(1)
    script = """
        import threading
        from pathlib import Path

        def run(mini_batch):
            seen = Path("seen")
            if not seen.exists():
                seen.touch()
                threading.Event().wait()
            return ["row"]
    """

    ended = step.run(script, timeout_s=0.5, max_retries=1, mini_batch_error_threshold=0)

    assert ended.returncode == 0, ended.stderr
    assert "run() did not return within 0.5 s" in ended.stdout
    assert step.rows.read_text() == "row\n"


def test_a_worker_that_dies_costs_one_attempt(step: Step) -> None:
    step.files(1)

    ended = step.run(
        "import os\ndef run(batch):\n    os._exit(3)", max_retries=1, mini_batch_error_threshold=0
    )

    assert ended.returncode == 1
    assert ended.stdout.count("the worker process ended unexpectedly") == 2


def test_an_init_that_fails_fails_the_step_with_its_traceback(step: Step) -> None:
    step.files(3)

    ended = step.run("def init():\n    raise ValueError('no model')\n\ndef run(batch):\n    return batch")

    assert ended.returncode == 1
    assert "no model" in ended.stderr


def test_a_data_frame_becomes_rows_without_header_separated_by_spaces(step: Step) -> None:
    step.files(2)
    script = """
        import pandas as pd

        def run(mini_batch):
            return pd.DataFrame({"file": [f[-7:] for f in mini_batch], "score": [0.5] * len(mini_batch)})
    """

    ended = step.run(script, mini_batch_size="2")

    assert ended.returncode == 0, ended.stderr
    assert step.rows.read_text() == "000.txt 0.5\n001.txt 0.5\n"


def test_the_step_ends_at_once_when_the_failures_are_too_many(step: Step) -> None:
    step.files(2)
    script = """
        import threading
        from pathlib import Path

        def run(mini_batch):
            if mini_batch[0].endswith("000.txt"):
                threading.Event().wait()
            raise ValueError("broken")
    """

    ended = step.run(script, mini_batch_error_threshold=0, max_retries=0, timeout_s=50)

    assert ended.returncode == 1
    assert "1 mini-batches failed" in ended.stderr


def test_an_empty_input_is_refused(step: Step) -> None:
    ended = step.run(ECHO)

    assert ended.returncode == 1
    assert "has no files" in ended.stderr


def test_partition_keys_of_files_that_are_no_table_are_refused(step: Step) -> None:
    step.files(1)

    ended = step.run(ECHO, partition_keys=["store"])

    assert ended.returncode == 1
    assert "partition_keys is store, and input_data is not of type mltable" in ended.stderr
