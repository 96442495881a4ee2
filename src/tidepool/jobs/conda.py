"""What an environment requires: its conda file becomes a Python version and requirements for pip."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_CONDA = re.compile(r"(?:[\w.-]+::)?(?P<name>[\w.-]+)\s*(?P<version>[<>=!~].*)?")
# The names of the modules of Azure have two parts: the package azure-keyvault has azure.keyvault.
_MODULE_MISSING = re.compile(r"ModuleNotFoundError: No module named '((?:azure\.)?[^'.]+)")
# Conda packages whose name on PyPI differs.
_ON_PYPI = {
    "pytorch": "torch",
    "py-xgboost": "xgboost",
    "matplotlib-base": "matplotlib",
    "opencv": "opencv-python",
    "py-opencv": "opencv-python",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-base": "tensorflow",
    "dask-core": "dask",
}
# Conda packages that are programs or libraries of the system. pip has none or another one of this name.
_SYSTEM = frozenset(
    {
        "cmake",
        "cuda",
        "cudatoolkit",
        "cuda-toolkit",
        "cudnn",
        "curl",
        "ffmpeg",
        "gcc",
        "gcc_linux-64",
        "git",
        "graphviz",
        "gxx",
        "gxx_linux-64",
        "libgcc",
        "libgcc-ng",
        "libopenblas",
        "make",
        "mkl",
        "mpi",
        "nccl",
        "nodejs",
        "openjdk",
        "openmpi",
        "openssl",
        "poppler",
        "pytorch-cuda",
        "r",
        "sqlite",
        "tesseract",
        "unixodbc",
        "wget",
        "zlib",
    }
)
# Modules whose package has another name.
_PACKAGES = {
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "PIL": "pillow",
    "cv2": "opencv-python",
    "yaml": "pyyaml",
    "bs4": "beautifulsoup4",
    "dotenv": "python-dotenv",
    "dateutil": "python-dateutil",
    "attr": "attrs",
    "google": "protobuf",
}


@dataclass(frozen=True)
class Requirements:
    """The content of a conda file.

    `packages` are lines of a requirements file. `refused` are conda packages that pip cannot install.
    `notes` say what was done with each other line.
    """

    python: str = ""
    packages: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_conda_file(text: str) -> Requirements:
    """Return what a conda file requires. Raise ValueError if it is not a conda file."""
    try:
        content = yaml.safe_load(text) or {}
        dependencies = content.get("dependencies") or []
        entries = [entry for dependency in dependencies for entry in _entries(dependency)]
    except (yaml.YAMLError, AttributeError, TypeError) as error:
        raise ValueError(f"the conda file is not valid: {error}") from error
    python, packages, refused, notes = "", [], [], []
    for is_pip, entry in entries:
        name, version = ("", "") if is_pip else _parts(entry)
        if is_pip:
            packages.append(entry)
        elif name == "python":
            python = version.lstrip("=").removesuffix(".*")
        elif name in _SYSTEM or name.startswith("r-") or _has_build(version):
            refused.append(entry)
        else:
            package = f"{_ON_PYPI.get(name, name)}{_for_pip(version)}"
            packages.append(package)
            notes.append(f"the conda package {entry} is installed from PyPI as {package}")
    return Requirements(python, tuple(packages), tuple(refused), tuple(notes))


def missing_modules(log: str) -> list[str]:
    """Return the modules that could not be imported, as the tracebacks in a log say."""
    return list(dict.fromkeys(_MODULE_MISSING.findall(log)))


def package_of(module: str) -> str:
    """Return the name, as it is compared, of the package that has a module."""
    return normalized(_PACKAGES.get(module, module).replace(".", "-"))


def package_name(requirement: str) -> str:
    """Return the name in a requirement, as it is compared, or an empty string if the line is an option."""
    match = re.match(r"[A-Za-z0-9][\w.-]*", requirement.strip())
    return normalized(match[0]) if match else ""


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _entries(dependency: Any) -> Iterator[tuple[bool, str]]:
    """Yield (whether it is for pip, the text) for each line of an entry of `dependencies`."""
    if isinstance(dependency, Mapping):
        for line in dependency.get("pip") or []:
            yield True, str(line).strip()
    else:
        yield False, str(dependency).strip()


def _parts(entry: str) -> tuple[str, str]:
    match = _CONDA.fullmatch(entry)
    if match is None:
        raise ValueError(f"the conda file has an entry that is not a package: {entry}")
    return match["name"].lower(), (match["version"] or "").replace(" ", "")


def _has_build(version: str) -> bool:
    """Return whether a version such as `=1.2=py38_0` names a build, which only conda has."""
    return bool(re.fullmatch(r"=[^=<>!~,]+=[^=]+", version))


def _for_pip(version: str) -> str:
    """Return a conda version for pip. `=1.2` means any version that starts with 1.2."""
    if re.fullmatch(r"=[^=].*", version):
        return f"={version.removesuffix('.*')}.*"
    return version
