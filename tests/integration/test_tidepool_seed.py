"""Public storage accounts: seeded from a folder, read by jobs without a token."""

import shutil
import uuid
from pathlib import Path

import pytest
from azure.ai.ml import Input, MLClient, command
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import HttpResponseError
from tests.support.azure_clients import container_client

from tidepool.cloud import Tidepool
from tidepool.launch import TidepoolError

ENVIRONMENT = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"


def test_jobs_read_the_files_of_a_seeded_account(ml: MLClient, tidepool: Tidepool, tmp_path: Path) -> None:
    account = f"public{uuid.uuid4().hex[:12]}"
    (tmp_path / "iris.csv").write_text("petals")
    url = f"https://{account}.blob.core.windows.net/datasets/flowers/iris.csv"
    programs = [name for name in ("curl -sf", "wget -q -O -") if shutil.which(name.split()[0])]
    commands = ["cat ${{inputs.file}}", *(f"{name} {url}" for name in programs)]

    names = tidepool.seed(f"{account}/datasets/flowers", tmp_path)
    job = ml.jobs.create_or_update(
        command(
            command=" && ".join(commands),
            environment=ENVIRONMENT,
            inputs={"file": Input(type="uri_file", path=url)},
        )
    )
    tidepool.settle()

    assert names == ["flowers/iris.csv"]
    ml.jobs.download(job.name, download_path=tmp_path / "back", all=True)
    (log,) = (tmp_path / "back").rglob("std_log.txt")
    assert log.read_text() == "petals" * len(commands)


def test_an_account_that_is_not_seeded_is_refused_with_the_command_to_seed_it(
    ml: MLClient, tidepool: Tidepool, tmp_path: Path
) -> None:
    url = "https://nowherepublic.blob.core.windows.net/datasets/iris.csv"
    reads = {"file": Input(type="uri_file", path=url)}
    job = ml.jobs.create_or_update(
        command(command="cat ${{inputs.file}}", environment=ENVIRONMENT, inputs=reads)
    )

    with pytest.raises(JobException, match="tidepool seed nowherepublic/datasets FOLDER"):
        ml.jobs.stream(job.name)
    with pytest.raises(HttpResponseError, match="tidepool seed nowherepublic/datasets FOLDER"):
        list(container_client("nowherepublic", "datasets").list_blob_names())
    with pytest.raises(TidepoolError, match="name ACCOUNT/CONTAINER and an existing folder"):
        tidepool.seed("nowherepublic", tmp_path)
