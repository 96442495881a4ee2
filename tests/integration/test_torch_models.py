"""Our preprocessing beside that of torchvision, and models of torch, which `make test-long` installs."""

import json
import subprocess
from pathlib import Path

import pytest

PYTHON = Path(".tools/torch/bin/python")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not PYTHON.exists(), reason=f"there is no {PYTHON} with torch: run make .tools/torch"),
]


def run(script: str, *arguments: str) -> str:
    return subprocess.run(
        [PYTHON, script, *arguments], check=True, stdout=subprocess.PIPE, text=True, timeout=600
    ).stdout


def test_pixels_and_presets_are_those_of_torchvision() -> None:
    assert json.loads(run("tests/support/compare_torchvision.py")) == {"pixels": [], "presets": []}


@pytest.mark.timeout(700)
def test_the_script_for_gpus_runs_on_a_cpu() -> None:
    lines = run(
        "tests/bench/gpu.py", "--models", "resnet50,vit_b", "--photos", "8", "--loop", "2"
    ).splitlines()

    measured = [line.partition(":")[0] for line in lines[1:]]
    assert measured == ["resnet50, torch", "resnet50, ONNX", "vit_b, torch", "vit_b, ONNX"]
