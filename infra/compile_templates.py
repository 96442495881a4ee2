"""Compile, lint and format the templates, take their snapshots, and record what these were made from.

`make infra` runs this module. The results are committed, so that the tests need no compiler.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

INFRA = Path(__file__).resolve().parent
ROOT = INFRA.parent
# What Tidepool starts with if it is given no template.
DEFAULT = ROOT / "src/tidepool/default.bicepparam"
CHECKSUMS = INFRA / "checksums.txt"
HOW_TO_GET = (
    "There is no Bicep compiler: set BICEP to its path, or install it as `bicep` on the PATH:\n"
    "  az bicep install (then BICEP=~/.azure/bin/bicep), brew install azure/bicep/bicep,\n"
    "  winget install -e --id Microsoft.Bicep, or https://github.com/Azure/bicep/releases"
)
# The subscription and the tenant of Tidepool, and what azd would pass.
IDS = {
    "--tenant-id": "00000000-0000-4000-8000-00000000000a",
    "--subscription-id": "00000000-0000-4000-8000-000000000001",
    "--location": "japaneast",
    "--deployment-name": "main",
}
AZD = {
    "AZURE_ENV_NAME": "sample",
    "AZURE_LOCATION": "japaneast",
    "NOTIFY_URL": "json://sample",
    "AZURE_RESOURCE_GROUP": "rg-sample-service",
    "AZURE_RESOURCE_GROUP_DEVELOPMENT": "rg-sample-development",
    "AZURE_RESOURCE_GROUP_PRODUCTION": "rg-sample-production",
}
COMPILED = ("main", "subscriptions")
FOR_AZD = ("main", "subscriptions")
SNAPSHOTS = ("local", "local-subscriptions", "existing")


class TemplateError(Exception):
    """The compiler is missing, or it printed something. The message is for whoever runs `make infra`."""


def sources() -> list[Path]:
    """Return the files that the results are made from."""
    patterns = ("**/*.bicep", "**/*.bicepparam", "*.yaml", "queries/*.kql", "bicepconfig.json")
    files = {file for pattern in patterns for file in INFRA.glob(pattern)}
    files |= {*DEFAULT.parent.glob("*.bicep"), DEFAULT}
    return sorted([*files, *(ROOT / "src/assets/compute").glob("*.yml")])


def results() -> list[Path]:
    """Return the files that are made, in order."""
    optional = (INFRA / "optional").glob("*.bicepparam")
    names = [*(f"{name}.json" for name in COMPILED), *(f"{name}.snapshot.json" for name in SNAPSHOTS)]
    return sorted(
        [
            DEFAULT.with_suffix(".snapshot.json"),
            *(INFRA / name for name in names),
            *(file.with_suffix(".snapshot.json") for file in optional),
        ]
    )


def checksums() -> str:
    """Return the checksums of sources and results, in the form of `sha256sum`."""
    digests = ((hashlib.sha256(file.read_bytes()).hexdigest(), file) for file in [*sources(), *results()])
    return "".join(f"{digest}  {file.relative_to(ROOT).as_posix()}\n" for digest, file in digests)


def compile_templates(compiler: str) -> None:
    """Make all results. Raise TemplateError if the compiler prints anything: its status ignores warnings."""
    _run(compiler, "format", "--pattern", "**/*.bicep", "--newline-kind", "LF")
    for file in sorted(DEFAULT.parent.glob("*.bicep")):
        _run(compiler, "format", str(file), "--newline-kind", "LF")
    for file in (*sorted((INFRA / "optional").glob("*.bicep")), DEFAULT.with_suffix(".bicep")):
        _run(compiler, "lint", str(file))
    for name in COMPILED:  # this lints them and their modules, too
        _run(compiler, "build", f"{name}.bicep", "--outfile", f"{name}.json")
    for name in FOR_AZD:
        _run(compiler, "build-params", f"{name}.bicepparam", "--outfile", os.devnull)
    for file in results():
        if file.name.endswith(".snapshot.json"):
            _snapshot(compiler, file)


def _snapshot(compiler: str, file: Path) -> None:
    """Take a snapshot. Raise TemplateError if the compiler could not evaluate something."""
    parameters = str(file).replace(".snapshot.json", ".bicepparam")
    ids = [part for pair in IDS.items() for part in pair]
    if file.parent == INFRA / "optional":
        ids += ["--resource-group", "rg-sample"]
    _run(compiler, "snapshot", parameters, "--mode", "overwrite", *ids)
    document = json.loads(file.read_text(encoding="utf-8"))
    if document["diagnostics"]:
        raise TemplateError(f"{parameters}: {document['diagnostics']}")
    # The compiler writes outputs in another order each time.
    document["outputs"] = dict(sorted(document["outputs"].items()))
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _run(*command: str) -> None:
    done = _start(*command)
    if done.returncode or done.stderr.strip():
        raise TemplateError(done.stderr.strip() or done.stdout.strip())


def _start(*command: str) -> subprocess.CompletedProcess[str]:
    environ = {**AZD, **os.environ}
    return subprocess.run(command, cwd=INFRA, env=environ, capture_output=True, text=True, check=False)


def find_compiler() -> str:
    """Return the path of the compiler that BICEP or the PATH names. Raise TemplateError if there is none."""
    named = os.environ.get("BICEP")
    found = shutil.which(named or "bicep")
    if found is None:
        raise TemplateError(f"BICEP={named} is no program.\n{HOW_TO_GET}" if named else HOW_TO_GET)
    return str(Path(found).resolve())


def main() -> None:
    """Compile, and say which results changed. Exit with 1 if the compiler prints anything."""
    before = {file: file.read_bytes() for file in results() if file.exists()}
    try:
        compile_templates(find_compiler())
    except TemplateError as error:
        sys.exit(str(error))
    CHECKSUMS.write_text(checksums(), encoding="utf-8")
    changed = [
        file.relative_to(ROOT).as_posix() for file in results() if file.read_bytes() != before.get(file)
    ]
    print(f"{len(results())} results of {len(sources())} sources. Changed: {', '.join(changed) or 'none'}")


if __name__ == "__main__":
    main()
