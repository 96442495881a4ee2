"""The folders of a checkout, of a package that is built from it, and of an installed wheel."""

import tomllib
from pathlib import Path

import pytest

from tidegate.folders import locate
from tidegate.installation.asset_files import AssetFiles


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"name: {Path(name).parent.name}\n")


def test_a_checkout_has_its_files_at_its_root_wherever_a_command_runs(tmp_path: Path) -> None:
    write(tmp_path, "src/tidegate/errors.py", "src/assets/compute/cpu.yml", "infra/roles.yaml")

    folders = locate(tmp_path / "src/tidegate", {"TIDEGATE_APP_ROOT": "/elsewhere"}, Path("/elsewhere"))

    assert folders.app == folders.repository == tmp_path
    assert folders.assets == folders.own_assets == tmp_path / "src/assets"
    assert folders.compute == tmp_path / "src/assets/compute"
    assert folders.infra_file("roles.yaml") == tmp_path / "infra/roles.yaml"


@pytest.mark.parametrize("environ", [{}, {"TIDEGATE_APP_ROOT": "app"}])
def test_an_installed_wheel_has_its_files_in_the_package_and_the_users_own_come_first(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    package, app = Path("site-packages/tidegate"), Path(environ.get("TIDEGATE_APP_ROOT", "here"))
    write(package, "assets/compute/cpu.yml", "assets/compute/gpu.yml", "infra/roles.yaml", "infra/b.yaml")
    write(app, "infra/roles.yaml")

    folders = locate(package, environ, Path("here"))

    assert folders.app == app
    assert folders.compute == package / "assets/compute"
    assert folders.infra_file("roles.yaml") == app / "infra/roles.yaml"
    assert folders.infra_file("b.yaml") == package / "infra/b.yaml"
    write(app, "src/assets/compute/cpu.yml")
    assert folders.compute == app / "src/assets/compute"


def test_a_pipeline_of_the_user_is_used_instead_of_the_one_of_the_release(tmp_path: Path) -> None:
    release, own = tmp_path / "release", tmp_path / "own"
    write(release, "a/pipeline.yml", "b/pipeline.yml", "environments/x.yml", "environments/y.yml")
    write(own, "a/pipeline.yml", "c/pipeline.yml", "environments/x.yml", "compute/cpu.yml")

    assets = AssetFiles(release, own)

    files = [assets.pipeline(name).relative_to(tmp_path).as_posix() for name in ("a", "b", "c")]
    assert files == ["own/a/pipeline.yml", "release/b/pipeline.yml", "own/c/pipeline.yml"]
    assert assets.environments() == [own / "environments/x.yml", release / "environments/y.yml"]
    assert assets.compute("cpu") == own / "compute/cpu.yml"
    (own / "a/step.py").write_text("1")
    before = assets.content("a"), assets.content("b")
    (own / "a/step.py").write_text("2")
    assert [assets.content("a") == before[0], assets.content("b") == before[1]] == [False, True]


def test_everything_that_the_wheel_takes_from_elsewhere_exists() -> None:
    build = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    included = build["targets"]["wheel"]["force-include"]

    assert [path for path in included if not Path(path).exists()] == []
    assert included["src/assets"] == "tidegate/assets"
    assert included["infra"] == "tidegate/infra"
