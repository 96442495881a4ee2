"""The files that the pages pass on: pictures of jobs, and results and manifests of partitions."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.support import config_yaml
from tests.support.clock import Clock
from tests.support.page_rows import POLICY, a_partition, a_version, save_all
from tests.support.pages import Pages
from tests.support.records import a_job
from tests.support.service import start_service

from tidegate.bootstrap import Service
from tidegate.domain.assets import BLOBSTORE
from tidegate.pages import downloads

if TYPE_CHECKING:
    from tidepool.cloud import Tidepool

PNG = b"\x89PNG\r\n\x1a\n" + b"a picture"
JOB = "judge-classifier-4"
PICTURES = f"/jobs/development/{JOB}/pictures"
PARTITION = "/feeds/digits/partitions/202608"
FOLDER = "predictions/digits/202608/202608-1/g1/"


@pytest.fixture(scope="module")
def service(tidepool: "Tidepool", tmp_path_factory: pytest.TempPathFactory) -> Service:
    """Return a service with the files of a job and of a partition in its workspace."""
    account, workspace = tidepool.create_storage_account().name, tidepool.create_workspace()
    values = config_yaml.values(development=workspace.name, digits=config_yaml.a_feed(account))
    file = config_yaml.write(tmp_path_factory.mktemp("files"), {**values, "models": {"classifier": POLICY}})
    service = start_service(account, file, Clock(), authenticated=True)
    job = a_job(name=JOB, subject="classifier:4", kind="evaluation", status="Completed")
    save_all(service, [a_partition("202608"), a_version("classifier", "4"), job])
    runs, store = service.development.runs, service.development.datastores
    for name, content in {"confusion_matrix.png": PNG, "maps/夜 1.png": PNG, "page.png": b"<script>"}.items():
        runs.attach(JOB, "classifier", name, content)
    runs.attach(JOB, "classifier", "evidence.json", b"{}")
    store.write(BLOBSTORE, f"{FOLDER}predictions.csv", [b"img,label\na.png,7\n"])
    store.write(BLOBSTORE, a_partition("202608").versions[0].manifest_path, [b"{}\n"])
    return service


@pytest.fixture
def pages(service: Service) -> Iterator[Pages]:
    return Pages(lambda: service, "reader")


def test_version_has_the_pictures_of_its_evaluation_from_its_own_host(pages: Pages) -> None:
    [section] = pages.page("/models/classifier/versions/4").css(f'[hx-get="{PICTURES}"]')

    shown = [str(node.attributes["src"]) for node in pages.page(PICTURES).css("img")]
    answers = {address: pages.get(address) for address in shown}

    assert section
    assert len(answers) == 3
    assert answers[f"{PICTURES}/confusion_matrix.png"].content == PNG
    assert answers[f"{PICTURES}/maps/%E5%A4%9C%201.png"].headers["content-type"] == "image/png"
    assert answers[f"{PICTURES}/page.png"].status_code == 415  # it is none


@pytest.mark.parametrize("name", ["evidence.json", "nothing.png", "../../other/a.png"])
def test_no_other_file_of_a_job_is_shown(pages: Pages, name: str) -> None:
    assert pages.get(f"{PICTURES}/{name}").status_code == 404


def test_part_that_cannot_be_loaded_says_so_beside_the_rest(pages: Pages) -> None:
    answer = pages.get("/jobs/development/no-such-job/pictures", HX_Request="true")

    assert answer.status_code == 404
    assert answer.headers["hx-retarget"] == "#problem"
    assert answer.text.startswith('<div class="notice')
    assert "no-such-job" in answer.text


def test_result_and_manifest_are_downloaded_without_rights_at_the_storage(pages: Pages) -> None:
    links = [str(node.attributes["href"]) for node in pages.page(PARTITION).css("a[download]")]
    answer = pages.get(f"{PARTITION}/scorings/202608-1-g1/predictions.csv")

    assert f"{PARTITION}/scorings/202608-1-g1/predictions.csv" in links
    assert answer.content == b"img,label\na.png,7\n"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="digits-202608-1-g1-predictions.csv"'
    )
    assert pages.get(f"{PARTITION}/versions/1/manifest.jsonl").content == b"{}\n"


@pytest.mark.parametrize(
    "path",
    [
        "scorings/202608-1-g1/predictions.parquet",  # the pipeline of a user may publish none
        "scorings/202608-1-g1/secret.csv",
        "scorings/202608-1-g9/predictions.csv",
        "versions/2/manifest.jsonl",
        "versions/1/profile.json",
    ],
)
def test_file_that_does_not_exist_is_not_found(pages: Pages, path: str) -> None:
    assert pages.get(f"{PARTITION}/{path}").status_code == 404


def test_large_result_is_not_loaded_and_the_page_says_how_to_read_it(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MOST_BYTES", 3)

    answer = pages.get(f"{PARTITION}/scorings/202608-1-g1/predictions.csv")

    assert answer.status_code == 413
    assert "az storage blob download --auth-mode login" in answer.text
