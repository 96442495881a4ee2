"""The example's months: which files arrive in each month, and how the upload of a month ends."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from examples import local_cloud
from examples.digits import images

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

CONTAINER = "images"


@dataclass(frozen=True)
class Arrival:
    """A month's upload: `count` PNG files, of which the first `broken` cannot be read.

    A labels.csv comes with the first `labelled` of them. Accuracy is measured on the other images.
    """

    month: str
    ends_with: Literal["marker", "list", "nothing"]
    count: int
    broken: int = 0
    light: images.Light | None = None
    labelled: int = 0

    @property
    def text(self) -> str:
        end = {
            "marker": "then the marker file _SUCCESS",
            "list": "then the list files.txt",
            "nothing": "then nothing for 10 s",
        }[self.ends_with]
        broken = f", {self.broken} of them broken" if self.broken else ""
        light = " that are much darker" if self.light else ""
        return f"{self.count} images{light}{broken}, {end}"

    @property
    def digits(self) -> list[images.Digit]:
        return images.month(self.month, self.count, **(self.light or images.DAY))

    @property
    def measured(self) -> list[images.Digit]:
        """Return the digits that labels.csv does not list. No model was trained on these digits."""
        return self.digits[self.labelled :]


MONTHS = (
    Arrival("202609", "marker", 100),
    Arrival("202610", "list", 100, broken=2),
    Arrival("202611", "nothing", 200, light=images.DARK, labelled=120),
)
LATE = "202609"
LATE_NAME = "digit-late.png"


class Arrivals:
    """Uploads with azure-storage-blob, as a supplier of images would make them."""

    def upload(self, arrival: Arrival) -> None:
        digits = arrival.digits
        if arrival.labelled:
            labels = images.labels_csv(digits[: arrival.labelled])
            self.put(f"{arrival.month}/labels.csv", labels.encode())
        for number, digit in enumerate(digits):
            content = images.damaged(digit.png, "truncated") if number < arrival.broken else digit.png
            self.put(f"{arrival.month}/{digit.name}", content)
        match arrival.ends_with:
            case "marker":
                self.put(f"{arrival.month}/_SUCCESS", b"")
            case "list":
                self.put(f"{arrival.month}/files.txt", "\n".join(digit.name for digit in digits).encode())

    def upload_late(self) -> None:
        self.put(f"{LATE}/{LATE_NAME}", self.late_digit().png)

    @staticmethod
    def late_digit() -> images.Digit:
        digit = images.month("202612", 1)[0]
        return images.Digit(LATE_NAME, digit.png, digit.label)

    def put(self, name: str, content: bytes) -> None:
        self._container.upload_blob(name, content, overwrite=True)

    def make_container(self) -> None:
        """Create the container of the images unless it exists."""
        local_cloud.container(CONTAINER)

    @cached_property
    def _container(self) -> "ContainerClient":
        return local_cloud.container(CONTAINER)
