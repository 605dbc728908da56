"""Errors of artifacts and of the engines that run them; the package's docstring lists them."""


class ArtifactError(Exception):
    """Raised for an invalid artifact; the message contains the problem and the expected value."""


class ManifestError(ArtifactError):
    """Raised if manifest.json violates its schema."""


class LabelMapError(ArtifactError):
    """Raised for an invalid label map."""


class ImageError(ArtifactError):
    """Raised if an image is not a regular file, has an unsupported format, or is damaged."""


class SizeError(ImageError):
    """Raised if an image exceeds the size limit."""


class EngineError(ArtifactError):
    """Raised if the requested device is not available."""


class ScoresError(ArtifactError):
    """Raised if a classifier's scores do not match its manifest."""
