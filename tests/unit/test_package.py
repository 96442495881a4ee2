"""The zip of the deployment package, and its limits."""

from pathlib import Path

import pytest

from tidegate.installation.package import Target, local_wheels
from tidegate.installation.package_zip import PackageError, PackageSize, write_zip


def test_the_size_without_bytecode_counts_linked_dependencies(tmp_path: Path) -> None:
    folder, dependencies = tmp_path / "app", tmp_path / "dependencies"
    (dependencies / "large/__pycache__").mkdir(parents=True)
    (dependencies / "large/a.py").write_bytes(b"#" * 2_000_000)
    (dependencies / "large/__pycache__/a.cpython-312.pyc").write_bytes(b"#" * 5_000_000)
    (folder / ".python_packages/lib").mkdir(parents=True)
    (folder / ".python_packages/lib/site-packages").symlink_to(dependencies)
    (folder / "function_app.py").write_bytes(b"#" * 1_000_000)

    size = write_zip(folder, tmp_path / "dist/one.zip")
    write_zip(folder, tmp_path / "dist/two.zip")

    assert size.unpacked == 3.0
    assert size.largest == ("large 2.0 MB", "the app 1.0 MB")
    assert (tmp_path / "dist/one.zip").read_bytes() == (tmp_path / "dist/two.zip").read_bytes()


@pytest.mark.parametrize(("zipped", "unpacked"), [(70.1, 100.0), (60.0, 130.1)])
def test_a_package_that_is_too_large_is_refused_with_its_largest_parts(
    zipped: float, unpacked: float
) -> None:
    size = PackageSize(zipped, unpacked, ("azure 28.9 MB",))

    with pytest.raises(PackageError, match=r"too large: .* 70 MB and 130 MB are allowed.*azure 28.9 MB"):
        size.check()


def test_the_limits_themselves_are_allowed() -> None:
    PackageSize(70.0, 130.0).check()


def test_a_python_that_azure_functions_does_not_run_is_refused() -> None:
    with pytest.raises(PackageError, match=r"PYTHON=3\.13.*3\.11 or 3\.12"):
        Target("3.13")


def test_wheels_that_are_files_count_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# ours\n./wheels/a.whl\nyarl==1.25.1\n")

    with pytest.raises(PackageError, match=r"requirements.txt names .*a\.whl, which does not exist"):
        local_wheels(tmp_path)

    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels/a.whl").write_bytes(b"a build")
    assert local_wheels(tmp_path) == [b"a build"]
