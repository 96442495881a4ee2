"""What docs/tidepool.md shows, run as its reader runs it: in a folder of one's own, and from the wheel."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.installation import ROOT

# The language of a code block of the page, and the file that it is.
FILES = {"python": "test_training.py", "yaml": "train.yml", "py": "src/train.py"}


def write_files(folder: Path) -> None:
    """Write the files that the page shows."""
    page = (ROOT / "docs/tidepool.md").read_text()
    (folder / "src").mkdir()
    for language, name in FILES.items():
        [block] = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
        (folder / name).write_text(block)


def run(command: list[str], folder: Path, timeout_s: int) -> str:
    """Run a program outside Tidepool, and return its output."""
    outside = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        command, cwd=folder, env=outside, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.long
def test_the_example_of_the_page_passes_in_a_folder_of_its_own(tmp_path: Path) -> None:
    write_files(tmp_path)

    output = run([sys.executable, "-m", "pytest", "-q", "-W", "ignore"], tmp_path, 120)

    assert "1 passed" in output, output


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_example_of_the_page_passes_with_the_wheel_alone(tmp_path: Path) -> None:
    uv = shutil.which("uv") or str(ROOT / ".tools/uv/bin/uv")
    environment, work = tmp_path / "environment", tmp_path / "work"
    work.mkdir()
    write_files(work)
    python = str(environment / "bin" / "python")

    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", str(tmp_path), str(ROOT)], check=True)
    [wheel] = tmp_path.glob("tidegate-*.whl")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", python, f"{wheel}[tidepool]", "pytest"]
    subprocess.run(install, check=True)
    output = run([python, "-m", "pytest", "-q", "-W", "ignore"], work, 1200)

    assert "1 passed" in output, output
