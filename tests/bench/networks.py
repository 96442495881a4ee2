"""ResNet-50 and ViT-B/16 with random weights, in torch alone, as an MLflow model loads them.

The file is copied into the model's folder, so it imports nothing of this project.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn

CLASSES = 1_000


class Bottleneck(nn.Module):
    """Three convolutions beside a shortcut."""

    def __init__(self, taken: int, width: int, stride: int) -> None:
        super().__init__()
        given = 4 * width
        self.inner = nn.Sequential(
            *_normalized(taken, width, 1, 1),
            nn.ReLU(inplace=True),
            *_normalized(width, width, 3, stride),
            nn.ReLU(inplace=True),
            *_normalized(width, given, 1, 1),
        )
        plain = stride == 1 and taken == given
        self.shortcut = nn.Identity() if plain else nn.Sequential(*_normalized(taken, given, 1, stride))

    def forward(self, images: Any) -> Any:
        return torch.relu(self.inner(images) + self.shortcut(images))


def _normalized(taken: int, given: int, kernel: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(taken, given, kernel, stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(given)]


def resnet50() -> nn.Module:
    layers: list[nn.Module] = [*_normalized(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    taken = 64
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for number in range(blocks):
            layers.append(Bottleneck(taken, width, stride if number == 0 else 1))
            taken = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(taken, CLASSES))


class VisionTransformer(nn.Module):
    """Patches of 16 x 16 pixels through twelve layers of attention."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 768, 16, 16)
        self.first = nn.Parameter(torch.zeros(1, 1, 768))
        self.places = nn.Parameter(torch.randn(1, 197, 768) * 0.02)
        layer = nn.TransformerEncoderLayer(
            768, 12, 3_072, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, 12, nn.LayerNorm(768), enable_nested_tensor=False)
        self.head = nn.Linear(768, CLASSES)

    def forward(self, images: Any) -> Any:
        patches = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(len(patches), -1, -1), patches], dim=1) + self.places
        return self.head(self.layers(tokens)[:, 0])


NETWORKS = {"resnet50": resnet50, "vit_b": VisionTransformer}


def make(name: str) -> nn.Module:
    """Return a network with the same random weights at each call."""
    torch.manual_seed(0)
    return NETWORKS[name]().eval()


class Loaded:
    """A network on the GPU if there is one, which takes and gives arrays."""

    def __init__(self, name: str) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network = make(name).to(self.device)

    @torch.inference_mode()
    def predict(self, images: Any, params: Any = None) -> Any:
        return self.network(torch.from_numpy(images).to(self.device)).cpu().numpy()


def _load_pyfunc(path: str) -> Loaded:
    return Loaded(Path(path).read_text().strip())
