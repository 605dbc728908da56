"""Errors of artifacts and of the engines that run them; the package's docstring has the tree."""


class ArtifactError(Exception):
    """A model artifact is not valid; the message has the problem and the expected value."""


class ManifestError(ArtifactError):
    """manifest.json contradicts its schema."""


class LabelMapError(ArtifactError):
    """The label map is not valid."""


class ImageError(ArtifactError):
    """An image cannot be read: not a regular file, an unsupported format, or damaged."""


class SizeError(ImageError):
    """An image is above the limit."""


class EngineError(ArtifactError):
    """The requested device is not available."""


class ScoresError(ArtifactError):
    """A classifier's scores contradict its manifest."""
