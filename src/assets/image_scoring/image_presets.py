"""The preprocessing of torchvision's classification weights, by their names.

The service and the jobs have this file each, and a test compares them. Another test compares the table with
torchvision. https://docs.pytorch.org/vision/stable/models.html
"""

from typing import NamedTuple

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALVES = (0.5, 0.5, 0.5)


class Preset(NamedTuple):
    """Resize the shorter side, cut out the centre, scale to 0 to 1, subtract the mean, divide by std."""

    resize: int
    size: int
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD


# Resize, crop and interpolation of weights. `ResNet50_V2` is ResNet50_Weights.IMAGENET1K_V2.
_TABLE = """
256 224 bilinear AlexNet_V1 DenseNet121_V1 DenseNet161_V1 DenseNet169_V1 DenseNet201_V1 GoogLeNet_V1
256 224 bilinear MNASNet0_5_V1 MNASNet1_0_V1 MobileNet_V2_V1 MobileNet_V3_Large_V1 MobileNet_V3_Small_V1
256 224 bilinear RegNet_X_16GF_V1 RegNet_X_1_6GF_V1 RegNet_X_32GF_V1 RegNet_X_3_2GF_V1 RegNet_X_400MF_V1
256 224 bilinear RegNet_X_800MF_V1 RegNet_X_8GF_V1 RegNet_Y_16GF_V1 RegNet_Y_1_6GF_V1 RegNet_Y_32GF_V1
256 224 bilinear RegNet_Y_3_2GF_V1 RegNet_Y_400MF_V1 RegNet_Y_800MF_V1 RegNet_Y_8GF_V1 ResNet101_V1
256 224 bilinear ResNet152_V1 ResNet18_V1 ResNet34_V1 ResNet50_V1 ResNeXt101_32X8D_V1 ResNeXt50_32X4D_V1
256 224 bilinear ShuffleNet_V2_X0_5_V1 ShuffleNet_V2_X1_0_V1 SqueezeNet1_0_V1 SqueezeNet1_1_V1 VGG11_V1
256 224 bilinear VGG11_BN_V1 VGG13_V1 VGG13_BN_V1 VGG16_V1 VGG16_BN_V1 VGG19_V1 VGG19_BN_V1 ViT_B_16_V1
256 224 bilinear ViT_B_32_V1 ViT_L_32_V1 Wide_ResNet101_2_V1 Wide_ResNet50_2_V1
232 224 bilinear ConvNeXt_Base_V1 ConvNeXt_Large_V1 MNASNet0_75_V1 MNASNet1_3_V1 MobileNet_V2_V2
232 224 bilinear MobileNet_V3_Large_V2 RegNet_X_16GF_V2 RegNet_X_1_6GF_V2 RegNet_X_32GF_V2 RegNet_X_3_2GF_V2
232 224 bilinear RegNet_X_400MF_V2 RegNet_X_800MF_V2 RegNet_X_8GF_V2 RegNet_Y_16GF_V2 RegNet_Y_1_6GF_V2
232 224 bilinear RegNet_Y_32GF_V2 RegNet_Y_3_2GF_V2 RegNet_Y_400MF_V2 RegNet_Y_800MF_V2 RegNet_Y_8GF_V2
232 224 bilinear ResNet101_V2 ResNet152_V2 ResNet50_V2 ResNeXt101_32X8D_V2 ResNeXt101_64X4D_V1
232 224 bilinear ResNeXt50_32X4D_V2 ShuffleNet_V2_X1_5_V1 ShuffleNet_V2_X2_0_V1 Wide_ResNet101_2_V2
232 224 bilinear Wide_ResNet50_2_V2
230 224 bilinear ConvNeXt_Small_V1
236 224 bilinear ConvNeXt_Tiny_V1
242 224 bilinear ViT_L_16_V1
255 240 bilinear EfficientNet_B1_V2
342 299 bilinear Inception_V3_V1
384 384 bilinear EfficientNet_V2_S_V1
480 480 bilinear EfficientNet_V2_M_V1
224 224 bicubic MaxVit_T_V1
232 224 bicubic Swin_T_V1
238 224 bicubic Swin_B_V1
246 224 bicubic Swin_S_V1
256 224 bicubic EfficientNet_B0_V1
256 240 bicubic EfficientNet_B1_V1
260 256 bicubic Swin_V2_S_V1 Swin_V2_T_V1
272 256 bicubic Swin_V2_B_V1
288 288 bicubic EfficientNet_B2_V1
320 300 bicubic EfficientNet_B3_V1
384 380 bicubic EfficientNet_B4_V1
456 456 bicubic EfficientNet_B5_V1
528 528 bicubic EfficientNet_B6_V1
600 600 bicubic EfficientNet_B7_V1
"""


def _read_table() -> dict[str, Preset]:
    presets = {"imagenet": Preset(256, 224)}  # that of most weights, and of most models trained with torch
    for line in _TABLE.split("\n"):
        resize, size, interpolation, *names = line.split() or ("0", "0", "")
        for name in names:
            model, version = name.rsplit("_", 1)
            presets[f"{model}_Weights.IMAGENET1K_{version}"] = Preset(int(resize), int(size), interpolation)
    presets["EfficientNet_V2_L_Weights.IMAGENET1K_V1"] = Preset(480, 480, "bicubic", _HALVES, _HALVES)
    return presets


PRESETS = _read_table()
