"""The test that docs/tidepool.md shows, run as its reader runs it: in a folder of one's own, with a job."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.installation import ROOT

JOB = """
type: command
code: src
command: python train.py ${{outputs.model}}
environment: azureml:mine@latest
compute: azureml:cpu
experiment_name: mine
outputs:
  model: {type: mlflow_model, name: my-model, version: 1}
"""
SCRIPT = """
import pathlib
import sys

model = pathlib.Path(sys.argv[1])
model.mkdir(parents=True, exist_ok=True)
(model / "MLmodel").write_text("flavors: {python_function: {loader_module: mine}}")
"""


def test_the_example_of_the_page_passes_in_a_folder_of_its_own(tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/tidepool.md").read_text(), re.DOTALL)
    (tmp_path / "test_mine.py").write_text(example)
    (tmp_path / "train.yml").write_text(JOB)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/train.py").write_text(SCRIPT)
    outside = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "ignore"],
        cwd=tmp_path,
        env=outside,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert "1 passed" in done.stdout, done.stdout + done.stderr
