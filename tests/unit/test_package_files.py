"""Which files of the checkout are deployed."""

import re
from pathlib import Path, PurePosixPath

from tidegate.config.loader import load, missing_files
from tidegate.installation.package_files import IGNORE_FILE, app_files

ROOT = Path(__file__).parents[2]
IGNORED = (ROOT / IGNORE_FILE).read_text().splitlines()
# A sample of each kind of file that a checkout has.
FILES = [
    ".git/config",
    ".python_packages/lib/site-packages/a/__pycache__/b.cpython-312.pyc",
    ".python_packages/lib/site-packages/docs/x.md",
    ".venv/lib/a.py",
    "README.md",
    "azure-pipelines.yml",
    "azure.yaml",
    "dist/tidegate.zip",
    "docs/a.md",
    "examples/__init__.py",
    "examples/digits/.amlignore",
    "examples/digits/demo.py",
    "examples/digits/smoke.json",
    "examples/digits/training.yml",
    "function_app.py",
    "host.json",
    "infra/main.bicep",
    "infra/modules/roles.bicep",
    "infra/subscriptions.yaml",
    "local.settings.json",
    "pyproject.toml",
    "requirements.txt",
    "src/assets/compute/cpu.yml",
    "src/assets/evaluation/README.md",
    "src/assets/evaluation/pipeline.yml",
    "src/tidegate/api/__pycache__/app.cpython-312.pyc",
    "src/tidegate/api/app.py",
    "src/tidegate/cli/app.py",
    "src/tidepool/cli.py",
    "tests/unit/test_a.py",
    "tidegate.yml",
]
DEPLOYED = [
    "examples/digits/smoke.json",
    "function_app.py",
    "host.json",
    "infra/subscriptions.yaml",
    "requirements.txt",
    "src/assets/compute/cpu.yml",
    "src/tidegate/api/app.py",
    "tidegate.yml",
]
DEPENDENCIES = [name for name in FILES if name.startswith(".python_packages/")]


def test_only_what_the_service_needs_is_deployed(tmp_path: Path) -> None:
    for name in [*FILES, IGNORE_FILE]:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    (tmp_path / IGNORE_FILE).write_text("\n".join(IGNORED))

    assert app_files(tmp_path) == [PurePosixPath(name) for name in DEPLOYED]


def test_core_tools_publishes_the_same_files_and_their_dependencies() -> None:
    published = [name for name in FILES if _core_tools_accept(name)]

    assert published == [*DEPENDENCIES, *DEPLOYED]


def test_every_file_that_the_configuration_names_is_deployed(tmp_path: Path) -> None:
    for path in app_files(ROOT):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes((ROOT / path).read_bytes())
    variables = dict.fromkeys(re.findall(r"\$\{(\w+)\}", (tmp_path / "tidegate.yml").read_text()), "some1")
    config = load(tmp_path / "tidegate.yml", variables)

    assert [policy.rollout for policy in config.models.values()] != [None]
    assert missing_files(config, tmp_path) == []


def _core_tools_accept(path: str) -> bool:
    """Return whether `func azure functionapp publish` uploads a file.

    The rules are those of GitIgnoreParser.cs of Core Tools: each line is a prefix of the whole path,
    without its first `/`, and a line with `!` wins.
    """
    lines = [line for line in IGNORED if line and not line.startswith("#")]
    excluded = [line.removeprefix("/") for line in lines if not line.startswith("!")]
    included = [line[1:].removeprefix("/") for line in lines if line.startswith("!")]
    return _matches(included, path) or not _matches(excluded, path)


def _matches(lines: list[str], path: str) -> bool:
    patterns = (
        re.sub(r"[\-\[\]/{}()+?.\\^$|]", r"\\\g<0>", line).replace("**", "(.+)").replace("*", "([^/]+)")
        for line in lines
    )
    return any(re.match(pattern, path) for pattern in patterns)
