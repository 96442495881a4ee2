"""The files of a checkout that are deployed: those that `.funcignore` does not exclude."""

import os
from pathlib import Path, PurePosixPath

IGNORE_FILE = ".funcignore"
PACKAGES = PurePosixPath(".python_packages/lib/site-packages")


def app_files(root: Path) -> list[PurePosixPath]:
    """Return the paths of the package's own files, relative to `root`, in order.

    Lines of `.funcignore` are read by git's rules, so a folder that is excluded is not looked into.
    Installed dependencies in `.python_packages` are left out, because the package gets its own.
    """
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines((root / IGNORE_FILE).read_text(encoding="utf-8").splitlines())
    files: list[PurePosixPath] = []
    for folder, folders, names in os.walk(root):
        here = PurePosixPath(Path(folder).relative_to(root).as_posix())
        folders[:] = [
            name
            for name in folders
            if here / name != PurePosixPath(PACKAGES.parts[0]) and not spec.match_file(f"{here / name}/")
        ]
        files += [here / name for name in names if not spec.match_file(str(here / name))]
    return sorted(files)
