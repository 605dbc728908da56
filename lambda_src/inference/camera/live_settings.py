"""Settings that may change while the loop runs: by the recipe at the start, by the shadow later."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from camera.errors import SettingsError
from shared.printable import printable

_MOST_LABELS = 200
_LONGEST_LABEL = 200
_LONGEST_SHOWN = 80


@dataclass(frozen=True, kw_only=True)
class LiveSettings:
    """What is published, and how often; durations in seconds, the threshold from 0 to 1."""

    threshold: float
    frame_interval_seconds: float
    # Labels of interest; none means all.
    labels: tuple[str, ...] = ()
    # Publish a frame only when other things are on it than on the one before.
    publish_on_change: bool = False
    # Publish the same label again only after this time; 0 publishes it each time.
    label_interval_seconds: float = 0.0
    # Distance from the artifact's baseline from which a feature has moved; 0 compares nothing.
    drift_threshold: float = 0.5
    # Keep crops of detections from the first score up to the second; none keeps nothing.
    crop_scores: tuple[float, ...] = ()
    # How many crops are kept, and how much they take.
    crop_files: int = 200
    crop_mib: int = 32

    def with_desired(self, desired: Mapping[str, Any]) -> Self:
        """Return settings changed by what a shadow desires.

        Raises:
            SettingsError: names the first wrong one, what was given and what would work; then
                none of them is to be used.
        """
        checked = {}
        for name, value in desired.items():
            checked[name] = checked_setting(name, value)
        return replace(self, **checked)

    def reported(self) -> dict[str, Any]:
        """Return them as the shadow has them."""
        lists = {"labels": list(self.labels), "crop_scores": list(self.crop_scores)}
        return asdict(self) | lists


def checked_setting(name: str, value: Any, *, called: str | None = None) -> Any:
    """Return a value in its type; raise `SettingsError` for a wrong one, or an unknown name.

    `called` is the name that an error gives it.
    """
    if name not in _CHECKS:
        raise SettingsError(f"there is no setting {shown(name)}; there are {', '.join(_CHECKS)}")
    try:
        return _CHECKS[name](value)
    except ValueError as error:
        given = f"given {shown(value)}, expected {error}"
        raise SettingsError(f"{called or name}: {given}") from None


class CurrentSettings:
    """The settings that hold now, and why others were refused; any thread may ask."""

    def __init__(self, initial: LiveSettings) -> None:
        self._changing = threading.Lock()
        self._now = initial
        self._refused: str | None = None

    @property
    def now(self) -> LiveSettings:
        """The settings that hold now."""
        return self._now

    def desire(self, desired: Any) -> SettingsError | None:
        """Use what is desired; return why it was refused, if that is new. The old ones stay."""
        with self._changing:
            try:
                if not isinstance(desired, Mapping):
                    raise SettingsError(f"settings: given {shown(desired)}, expected an object")  # noqa: TRY301 - met as every other wrong value
                self._now = self._now.with_desired(desired)
            except SettingsError as error:
                is_new, self._refused = self._refused != str(error), str(error)
                return error if is_new else None
            self._refused = None
            return None

    def reported(self) -> dict[str, Any]:
        """Return what holds, as the shadow has it."""
        return self._now.reported()

    def refused(self) -> str | None:
        """Return why the newest desired settings are not used; None when they are."""
        return self._refused


def _number(least: float, most: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        # To Python true is a number.
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        # NaN compares with nothing, and an integer may be too large for a float.
        if not is_number or not least <= value <= most:
            raise ValueError(f"a number from {least:g} to {most:g}")
        return float(value)

    return check


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(value)

    return check


def _range_of_scores(value: Any) -> tuple[float, ...]:
    expected = "a list of two scores from 0 to 1, the lower one first, or an empty one"
    if not isinstance(value, list) or len(value) not in {0, 2}:
        raise ValueError(expected)
    try:
        scores = tuple(_number(0.0, 1.0)(one) for one in value)
    except ValueError:
        raise ValueError(expected) from None
    if scores and scores[0] >= scores[1]:
        raise ValueError(expected)
    return scores


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - met as every other wrong value
    return value


def _labels(value: Any) -> tuple[str, ...]:
    if (
        not isinstance(value, list)
        or len(value) > _MOST_LABELS
        or not all(_is_label(one) for one in value)
    ):
        raise ValueError(
            f"a list of at most {_MOST_LABELS} labels of 1 to {_LONGEST_LABEL} characters"
        )
    return tuple(dict.fromkeys(value))


def _is_label(value: Any) -> bool:
    return (
        isinstance(value, str)
        and value == value.strip()
        and 0 < len(value) <= _LONGEST_LABEL
        # The characters that a label map may have: its labels are these.
        and printable(value) == value
    )


def shown(value: Any) -> str:
    """Return a wrong value as an error may show it: quoted, on one line, cut when long."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "threshold": _number(0.0, 1.0),
    "frame_interval_seconds": _number(0.02, 3600.0),
    "labels": _labels,
    "publish_on_change": _truth,
    "label_interval_seconds": _number(0.0, 86400.0),
    "drift_threshold": _number(0.0, 1.0),
    "crop_scores": _range_of_scores,
    "crop_files": _whole(1, 10_000),
    "crop_mib": _whole(1, 256),
}
