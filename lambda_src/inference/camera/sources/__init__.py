"""Where pictures come from: a module for each kind, loaded when it is the one."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

from camera.errors import SettingsError
from camera.frames import Camera
from camera.live_settings import shown
from shared.vision.images import ImageLimit

_DEVICE = re.compile(r"/dev/video[0-9]{1,4}")
_PASSWORD_FILE = "camera-password"  # noqa: S105 - the name of a file


def camera_from(
    setting: str, state_directory: Path = Path(), limit: ImageLimit | None = None
) -> Camera:
    """Return the camera that DEEPLENS_CAMERA names: a kind, and where it is.

    Recipes are no place for secrets: the password of an address that has a user and none is read
    from `camera-password` in the state directory. Frames above `limit` are not decoded.

    Raises:
        SettingsError: there is no such kind, or the place cannot be one, or lacks a password.
    """
    kind, _, where = setting.partition(":")
    make = _KINDS.get(kind)
    if make is None or "\0" in where:
        raise _refusal(setting, f"one of {', '.join(_EXAMPLES.values())}")
    try:
        return make(_with_password(kind, where, state_directory), limit or ImageLimit())
    except ValueError:
        raise _refusal(setting, f"for example {_EXAMPLES[kind]}") from None


def _folder(where: str, limit: ImageLimit) -> Camera:
    from camera.sources.folder import PictureFolderCamera  # noqa: PLC0415 - see above

    return PictureFolderCamera(_path(where), limit)


def _video(where: str, limit: ImageLimit) -> Camera:
    from camera.sources.video import VideoFileCamera  # noqa: PLC0415 - see above

    return VideoFileCamera(_path(where), limit)


def _v4l2(where: str, limit: ImageLimit) -> Camera:
    from camera.sources.video import V4l2Camera  # noqa: PLC0415 - see above

    if not _DEVICE.fullmatch(where):
        raise ValueError(where)
    return V4l2Camera(Path(where), limit)


def _rtsp(where: str, limit: ImageLimit) -> Camera:
    from camera.sources.video import RtspCamera  # noqa: PLC0415 - see above

    return RtspCamera(_address("rtsp", where), limit)


def _http(where: str, limit: ImageLimit) -> Camera:
    from camera.sources.mjpeg import MjpegCamera  # noqa: PLC0415 - see above

    return MjpegCamera(_address("http", where), limit)


def _https(where: str, limit: ImageLimit) -> Camera:
    from camera.sources.mjpeg import MjpegCamera  # noqa: PLC0415 - see above

    return MjpegCamera(_address("https", where), limit)


def _awscam(where: str, _limit: ImageLimit) -> Camera:
    from camera.sources.deeplens import DeepLensCamera  # noqa: PLC0415 - see above

    if where:
        raise ValueError(where)
    return DeepLensCamera()


def _with_password(kind: str, where: str, state_directory: Path) -> str:
    if kind not in {"rtsp", "http", "https"}:
        return where
    parts = urlsplit(f"{kind}:{where}")
    if parts.username is None or parts.password is not None:
        return where
    file = state_directory / _PASSWORD_FILE
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")[:1]
        password = [line.strip() for line in lines if line.strip()][0]  # noqa: RUF015 - no line is an IndexError, as no file is an error
    except (OSError, ValueError, IndexError):
        raise SettingsError(
            f"DEEPLENS_CAMERA: {parts.hostname} asks {parts.username} for a password; "
            f"write it into {file} on the device, readable by the component's user only"
        ) from None
    user, _, host = parts.netloc.rpartition("@")
    changed = parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}")
    return changed.geturl().removeprefix(f"{kind}:")


def _path(where: str) -> Path:
    if not where.strip():
        raise ValueError(where)
    return Path(where)


def _address(scheme: str, where: str) -> str:
    parts = urlsplit(f"{scheme}:{where}")
    # Reading the port raises ValueError for one that is none.
    if not parts.hostname or parts.port == 0:
        raise ValueError(where)
    return parts.geturl()


def _refusal(setting: str, expected: str) -> SettingsError:
    return SettingsError(f"DEEPLENS_CAMERA: given {shown(setting)}, expected {expected}")


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
