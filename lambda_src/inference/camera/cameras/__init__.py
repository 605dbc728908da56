"""The cameras, with one module for each kind, which is imported only if it is used."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

from camera.dynamic_settings import quoted
from camera.errors import SettingsError
from camera.frames import Camera
from shared.vision.images import ImageLimit

_DEVICE = re.compile(r"/dev/video[0-9]{1,4}")
_PASSWORD_FILE = "camera-password"  # noqa: S105 - a file name


def camera_from(
    setting: str, state_directory: Path = Path(), limit: ImageLimit | None = None
) -> Camera:
    """Return the camera of the variable DEEPLENS_CAMERA, which contains a kind and a location.

    Recipes must not contain secrets. If an address contains only a user, the password is read from
    `camera-password` in the state directory. Frames above `limit` are not decoded.

    Raises:
        SettingsError: the kind does not exist, the location is invalid, or its password is missing.
    """
    kind, _, location = setting.partition(":")
    create = _KINDS.get(kind)
    if create is None or "\0" in location:
        raise _invalid(setting, f"one of {', '.join(_EXAMPLES.values())}")
    try:
        return create(_with_password(kind, location, state_directory), limit or ImageLimit())
    except ValueError:
        raise _invalid(setting, f"for example {_EXAMPLES[kind]}") from None


def _folder(location: str, limit: ImageLimit) -> Camera:
    from camera.cameras.folder import ImageFolderCamera  # noqa: PLC0415 - see above

    return ImageFolderCamera(_path(location), limit)


def _video(location: str, limit: ImageLimit) -> Camera:
    from camera.cameras.opencv import VideoFileCamera  # noqa: PLC0415 - see above

    return VideoFileCamera(_path(location), limit)


def _v4l2(location: str, limit: ImageLimit) -> Camera:
    from camera.cameras.opencv import V4l2Camera  # noqa: PLC0415 - see above

    if not _DEVICE.fullmatch(location):
        raise ValueError(location)
    return V4l2Camera(Path(location), limit)


def _rtsp(location: str, limit: ImageLimit) -> Camera:
    from camera.cameras.opencv import RtspCamera  # noqa: PLC0415 - see above

    return RtspCamera(_address("rtsp", location), limit)


def _http(location: str, limit: ImageLimit) -> Camera:
    from camera.cameras.mjpeg import MjpegCamera  # noqa: PLC0415 - see above

    return MjpegCamera(_address("http", location), limit)


def _https(location: str, limit: ImageLimit) -> Camera:
    from camera.cameras.mjpeg import MjpegCamera  # noqa: PLC0415 - see above

    return MjpegCamera(_address("https", location), limit)


def _awscam(location: str, _limit: ImageLimit) -> Camera:
    from camera.cameras.awscam import AwscamCamera  # noqa: PLC0415 - see above

    if location:
        raise ValueError(location)
    return AwscamCamera()


def _with_password(kind: str, location: str, state_directory: Path) -> str:
    if kind not in {"rtsp", "http", "https"}:
        return location
    parts = urlsplit(f"{kind}:{location}")
    if parts.username is None or parts.password is not None:
        return location
    file = state_directory / _PASSWORD_FILE
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")[:1]
        password = [line.strip() for line in lines if line.strip()][0]  # noqa: RUF015 - an empty file raises IndexError
    except (OSError, ValueError, IndexError):
        raise SettingsError(
            f"DEEPLENS_CAMERA: the password of {parts.username} at {parts.hostname} is missing; "
            f"write it into {file} on the device, readable by the component's user only"
        ) from None
    user, _, host = parts.netloc.rpartition("@")
    changed = parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}")
    return changed.geturl().removeprefix(f"{kind}:")


def _path(location: str) -> Path:
    if not location.strip():
        raise ValueError(location)
    return Path(location)


def _address(scheme: str, location: str) -> str:
    parts = urlsplit(f"{scheme}:{location}")
    # Reading an invalid port raises ValueError.
    if not parts.hostname or parts.port == 0:
        raise ValueError(location)
    return parts.geturl()


def _invalid(setting: str, expected: str) -> SettingsError:
    return SettingsError(f"DEEPLENS_CAMERA: given {quoted(setting)}, expected {expected}")


_KINDS: dict[str, Callable[[str, ImageLimit], Camera]] = {
    "folder": _folder,
    "video": _video,
    "v4l2": _v4l2,
    "rtsp": _rtsp,
    "http": _http,
    "https": _https,
    "awscam": _awscam,
}
_EXAMPLES = {
    "folder": "'folder:camera'",
    "video": "'video:street.mp4'",
    "v4l2": "'v4l2:/dev/video0'",
    "rtsp": "'rtsp://192.0.2.7/stream'",
    "http": "'http://192.0.2.7/video.mjpg'",
    "https": "'https://192.0.2.7/video.mjpg'",
    "awscam": "'awscam'",
}
