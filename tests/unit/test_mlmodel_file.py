"""MLmodel files that users write: what the service and the job read, and what both refuse."""

import mlmodel_file as in_the_job
import pytest

from tidegate.cloud import mlmodel_file as in_the_service

DEEP = b"a: " + b"[" * 50_000 + b"]" * 50_000
MERGES = b"a0: &a0 {x: 1}\n" + b"".join(
    b"a%d: &a%d\n  <<: [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 6)) for n in range(1, 30)
)


def test_the_files_that_mlflow_writes_are_read() -> None:
    labels = [f"a label with number {n}" for n in range(1000)]
    content = b"metadata:\n  labels:\n" + "".join(f"  - {label}\n" for label in labels).encode()

    for module in (in_the_service, in_the_job):
        assert module.parse_mlmodel(content) == {"metadata": {"labels": labels}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a: " + b"x" * 2_000_000, "it has 2000003 bytes, and at most 1048576 are read"),
        (DEEP, "nested more than 32 levels deep"),
        (b"\n".join(b" " * n + b"a:" for n in range(40)), "nested more than 32 levels deep"),
        (MERGES, "merge keys"),
        (b"a: [", "(?i)did not find expected|expected the node content"),
        (b"\xff\xfe\xff", "."),
        (b"- a list\n", "not a YAML mapping"),
        (b"", "not a YAML mapping"),
        (b"a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
    ],
    ids=["large", "deep", "deep blocks", "merges", "broken", "binary", "list", "empty", "objects"],
)
def test_others_are_refused_with_the_reason(content: bytes, reason: str) -> None:
    for module in (in_the_service, in_the_job):
        with pytest.raises(module.MlmodelError, match=reason):
            module.parse_mlmodel(content)
