"""Errors of this package; the tree is drawn in the package's docstring."""


class VisionError(Exception):
    """Something about a model artifact is wrong; the text says what, and what would work."""


class ManifestError(VisionError):
    """manifest.json is not what its schema says."""


class LabelMapError(VisionError):
    """The label map cannot be used."""


class ImageError(VisionError):
    """An image cannot be read: not a regular file, an unsupported format, or damaged."""


class SizeError(ImageError):
    """An image is above the limit."""


class EngineError(VisionError):
    """The machine has not what the engine was told to use."""


class ArtifactError(VisionError):
    """The artifact's bytes are not those that were promised."""


class ScoresError(ArtifactError):
    """A classifier's scores contradict its manifest."""
