"""The reason in the error message of a run comes first."""

import pytest

from tidegate.domain.jobs.error_messages import describe_error

EXECUTION_FAILED = (
    "Execution failed. User process exited with status code 1. Please check log file "
    "'user_logs/std_log.txt' for error details. Error: "
)
FRAMES = "".join(
    f'  File "/model/code/deep.py", line {n}, in _down\n    return _down(left)\n' for n in range(40)
)
TRACEBACK = f"INFO starts\nTraceback (most recent call last):\n{FRAMES}"
WORDS = "RuntimeError: Input type (unsigned char) and weight type (float) should be the same"


def test_the_message_of_an_exception_comes_before_its_long_traceback() -> None:
    reason = describe_error(f"{EXECUTION_FAILED}{TRACEBACK}{WORDS}\n")

    assert reason.splitlines()[:2] == [WORDS, "The end of its log:"]
    assert 800 < len(reason) < 1000


@pytest.mark.parametrize(
    ("message", "first"),
    [
        ("The data of the job could not be fetched", "The data of the job could not be fetched"),
        (
            f"{EXECUTION_FAILED}INFO starts\nthe holdout has no column label\n",
            "the holdout has no column label",
        ),
        (f"{EXECUTION_FAILED}", EXECUTION_FAILED),
        # A message that begins in the middle of a traceback, because Azure cut it.
        (f"{EXECUTION_FAILED}{FRAMES}{WORDS}", WORDS),
        # The exception that was raised last, not the one that caused it.
        (
            f"{EXECUTION_FAILED}{TRACEBACK}KeyError: 1\n\nThe above exception was the direct cause of the "
            f"following exception:\n\n{TRACEBACK}{WORDS}",
            WORDS,
        ),
        # A message of several lines, and warnings that were printed afterwards.
        (
            f"{EXECUTION_FAILED}{TRACEBACK}ValueError: two shapes:\n\tfc.weight\n\tfc.bias",
            "ValueError: two shapes:",
        ),
        (f"{EXECUTION_FAILED}{TRACEBACK}{WORDS}\nresource_tracker: 1 leaked\n  warnings.warn(", WORDS),
        # A program that logged the traceback, and then ended with a sentence.
        (
            f"{EXECUTION_FAILED}{TRACEBACK}UnfitModelError: predict raised {WORDS}\n\n"
            f"The model does not fit: predict raised {WORDS}\n",
            f"The model does not fit: predict raised {WORDS}",
        ),
        (f"{EXECUTION_FAILED}{TRACEBACK}{WORDS}\n\n3 of 3 mini-batches failed", "3 of 3 mini-batches failed"),
        (f"User program failed with {WORDS}", WORDS),
    ],
)
def test_the_reason_comes_first_in_every_kind_of_message(message: str, first: str) -> None:
    assert describe_error(message).splitlines()[0] == first.splitlines()[0]


def test_a_sentence_that_ends_a_program_is_the_whole_reason() -> None:
    sentence = f"The model does not fit: predict raised {WORDS}"

    assert (
        describe_error(f"{EXECUTION_FAILED}{TRACEBACK}UnfitModelError: {sentence[24:]}\n\n{sentence}")
        == sentence
    )


def test_a_statement_about_something_else_is_followed_by_the_exception() -> None:
    reason = describe_error(f"{EXECUTION_FAILED}{TRACEBACK}{WORDS}\n\n3 of 3 mini-batches failed\n")

    assert reason == f"3 of 3 mini-batches failed\nThe last exception in its log: {WORDS}"
