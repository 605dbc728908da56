"""Size variants of the residual network."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """Depth and width of a network; `bottleneck` reduces a block's inner channels to a quarter."""

    blocks: tuple[int, ...]
    channels: tuple[int, ...]
    stem_channels: int
    bottleneck: bool


VARIANTS = {
    "resnet50": Variant((3, 4, 6, 3), (256, 512, 1024, 2048), 64, bottleneck=True),
    "small": Variant((1, 1, 1, 1), (16, 32, 64, 96), 16, bottleneck=False),
}
