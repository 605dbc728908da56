"""Residual networks with pre-activation (He et al., 2016), in which each layer has a name."""

from dataclasses import dataclass
from typing import Any

from model_tools.samples.headpose.drawing import SIDE_PX
from model_tools.samples.headpose.poses import LABELS
from model_tools.samples.headpose.variants import VARIANTS

INPUT_NAME = "inputs"
OUTPUT_NAME = "softmax_tensor"


def build(variant: str, weight_decay: float = 2e-4) -> Any:
    """Return the Keras model: float32 [n, 84, 84, 3], RGB from 0 to 255 → probabilities [n, 9].

    The model scales its input to -1 … 1, so a camera only needs to resize images.

    Args:
        variant: a key of `VARIANTS`.
        weight_decay: L2 regularization of all kernels.
    """
    import keras  # noqa: PLC0415 - imports TensorFlow

    shape = VARIANTS[variant]
    layers = _Layers(keras, weight_decay)
    block = _bottleneck if shape.bottleneck else _basic
    pixels = keras.Input((SIDE_PX, SIDE_PX, 3), name=INPUT_NAME)
    x = keras.layers.Rescaling(1 / 127.5, -1, name="scale")(pixels)
    x = layers.convolution(x, f"{shape.stem_channels}x3", "stem_conv", stride=2)
    for stage, (count, channels) in enumerate(zip(shape.blocks, shape.channels, strict=True), 1):
        for number in range(1, count + 1):
            stride = 2 if number == 1 and stage > 1 else 1
            name = f"stage{stage}_block{number}"
            before = layers.activated(x, f"{name}_pre")
            if number == 1:
                x = layers.convolution(before, f"{channels}x1", f"{name}_shortcut", stride=stride)
            inner = block(layers, before, channels, name, stride=stride)
            x = keras.layers.Add(name=f"{name}_add")([x, inner])
    x = layers.activated(x, "final")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    decay = keras.regularizers.L2(weight_decay)
    logits = keras.layers.Dense(len(LABELS), kernel_regularizer=decay, name="logits")(x)
    return keras.Model(pixels, keras.layers.Softmax(name=OUTPUT_NAME)(logits), name="headpose")


@dataclass(frozen=True)
class _Layers:
    """A factory of the layers in residual blocks."""

    keras: Any
    weight_decay: float

    def convolution(self, x: Any, size: str, name: str, *, stride: int = 1) -> Any:
        """Apply a convolution; `size` is, for example, "64x3": 64 channels, kernels of 3 by 3."""
        channels, side = map(int, size.split("x"))
        layer = self.keras.layers.Conv2D(
            channels,
            side,
            stride,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            kernel_regularizer=self.keras.regularizers.L2(self.weight_decay),
            name=name,
        )
        return layer(x)

    def activated(self, x: Any, name: str) -> Any:
        x = self.keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        return self.keras.layers.ReLU(name=f"{name}_relu")(x)


def _basic(layers: _Layers, x: Any, channels: int, name: str, *, stride: int) -> Any:
    x = layers.convolution(x, f"{channels}x3", f"{name}_conv1", stride=stride)
    return layers.convolution(layers.activated(x, f"{name}_mid"), f"{channels}x3", f"{name}_conv2")


def _bottleneck(layers: _Layers, x: Any, channels: int, name: str, *, stride: int) -> Any:
    narrow = channels // 4
    x = layers.convolution(x, f"{narrow}x1", f"{name}_conv1")
    x = layers.activated(x, f"{name}_mid1")
    x = layers.convolution(x, f"{narrow}x3", f"{name}_conv2", stride=stride)
    return layers.convolution(layers.activated(x, f"{name}_mid2"), f"{channels}x1", f"{name}_conv3")
