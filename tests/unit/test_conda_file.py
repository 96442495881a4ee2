"""What Tidepool reads from conda files."""

from pathlib import Path

import pytest

from tidepool.jobs.conda import Requirements, missing_modules, package_of, read_conda_file
from tidepool.jobs.python_environments import PythonEnvironment

CONDA = """
name: model
channels: [conda-forge]
dependencies:
  - python=3.11
  - numpy=1.26
  - conda-forge::pandas>=2.2
  - pytorch==2.3.0
  - pip:
      - scikit-learn==1.5.1
      - --find-links ./wheels
"""


def test_a_conda_file_becomes_a_python_version_and_requirements() -> None:
    requirements = read_conda_file(CONDA)

    assert requirements.python == "3.11"
    assert requirements.packages == (
        "numpy==1.26.*",
        "pandas>=2.2",
        "torch==2.3.0",
        "scikit-learn==1.5.1",
        "--find-links ./wheels",
    )
    assert "the conda package pytorch==2.3.0 is installed from PyPI as torch==2.3.0" in requirements.notes
    assert requirements.refused == ()


@pytest.mark.parametrize("entry", ["cudatoolkit=11.3", "r-base", "numpy=1.26.4=py311h64a7726_0", "graphviz"])
def test_what_pip_cannot_install_is_refused_by_name(entry: str) -> None:
    assert read_conda_file(f"dependencies: ['{entry}']").refused == (entry,)


def test_an_empty_conda_file_requires_nothing() -> None:
    assert read_conda_file("") == Requirements()


@pytest.mark.parametrize("text", ["[1, 2]", "dependencies: 4", "a: [", "dependencies: ['???']"])
def test_what_is_no_conda_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="conda file"):
        read_conda_file(text)


@pytest.mark.parametrize(
    ("requirements", "hint"),
    [
        (read_conda_file("dependencies: [{pip: [nowhere-to-find==4.2, pytest]}]"), "nowhere-to-find==4.2 of"),
        (read_conda_file("dependencies: [pytest]"), "no package with the module nowhere_to_find"),
        (None, "env:1 has no conda file"),
    ],
    ids=["required", "not required", "no conda file"],
)
def test_a_failed_import_is_explained(requirements: Requirements | None, hint: str) -> None:
    environment = PythonEnvironment(Path("python"), "env:1", requirements)

    assert hint in environment.hint("ModuleNotFoundError: No module named 'nowhere_to_find'")
    assert environment.hint("all is well") == ""


def test_the_package_of_a_missing_module_is_known() -> None:
    log = "Traceback ...\nModuleNotFoundError: No module named 'sklearn.svm'\n"

    assert [package_of(module) for module in missing_modules(log)] == ["scikit-learn"]
    assert package_of("azureml_core") == "azureml-core"
