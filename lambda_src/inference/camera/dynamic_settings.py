"""Settings that can change while the loop runs, and the shadow that changes them."""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from camera.backoff import Backoff, ErrorCounts, is_logged
from camera.errors import SettingsError
from camera.greengrass import ResultPublisher, Subscriber
from shared.artifact.strict_json import parse_json
from shared.messages.heartbeat import ReportedSettings
from shared.printable import printable

logger = logging.getLogger(__name__)

SHADOW = "$aws/things/{thing}/shadow/name/deeplens"

THRESHOLD_RANGE = (0.0, 1.0)
FRAME_INTERVAL_RANGE_SECONDS = (0.02, 3600.0)
_MAX_LABELS = 200
_LONGEST_LABEL = 200
_LONGEST_QUOTE = 80
_LARGEST_DOCUMENT_BYTES = 64 << 10
_MAX_WAITING = 16
_RETRY_SECONDS = 60.0

ApplyDesired = Callable[[Any], bool]


@dataclass(frozen=True, kw_only=True)
class DynamicSettings:
    """Settings of publishing, drift and crops; durations in seconds, scores from 0 to 1."""

    # The initial value is from the recipe.
    threshold: float
    frame_interval_seconds: float
    # Labels of interest; an empty tuple selects all labels.
    labels: tuple[str, ...] = ()
    # Publish a frame only if its labels differ from those of the previous frame.
    publish_on_change: bool = False
    # Minimum time before the same label is published again; 0 publishes it each time.
    label_interval_seconds: float = 0.0
    # Distance from the artifact's baseline from which a feature has moved; 0 disables the
    # comparison.
    drift_threshold: float = 0.5
    # Crops are stored of detections from the first score up to the second; an empty tuple stores
    # none.
    crop_scores: tuple[float, ...] = ()
    # Limits of the number of crops and of their total size.
    crop_files: int = 200
    crop_mib: int = 32

    def with_desired(self, desired: Mapping[str, Any]) -> Self:
        """Return these settings with the changes that a shadow desires.

        Raises:
            SettingsError: a setting is invalid, so no change is applied; the message contains the
                setting, its value, and the values that work.
        """
        checked = {name: _checked(name, value) for name, value in desired.items()}
        return replace(self, **checked)

    def reported(self) -> ReportedSettings:
        """Return the heartbeat's section `settings`."""
        return ReportedSettings(**vars(self))


def _checked(name: str, value: Any) -> Any:
    """Convert a value to the type of its setting; raise `SettingsError` if it is invalid."""
    if name not in _CHECKS:
        raise SettingsError(f"{quoted(name)} is not a valid setting: expected {', '.join(_CHECKS)}")
    try:
        return _CHECKS[name](value)
    except ValueError as error:
        raise SettingsError(f"{name}: given {quoted(value)}, expected {error}") from None


class CurrentSettings:
    """The current settings, and the reason of the last rejection; any thread may use them."""

    def __init__(self, initial: DynamicSettings) -> None:
        self._changing = threading.Lock()
        self._current = initial
        self._rejection: str | None = None

    @property
    def current(self) -> DynamicSettings:
        """The settings that apply at present."""
        return self._current

    def apply_desired(self, desired: Any) -> SettingsError | None:
        """Apply all desired settings or none; return the reason of a rejection if it is new."""
        with self._changing:
            try:
                if not isinstance(desired, Mapping):
                    raise SettingsError(f"settings: given {quoted(desired)}, expected an object")  # noqa: TRY301 - same handling as other invalid values
                self._current = self._current.with_desired(desired)
            except SettingsError as error:
                is_new, self._rejection = self._rejection != str(error), str(error)
                return error if is_new else None
            self._rejection = None
            return None

    def reported(self) -> ReportedSettings:
        """Return the heartbeat's section `settings` with the current settings."""
        return self._current.reported()

    def rejection(self) -> str | None:
        """Return the reason why the newest desired settings were rejected; None if they apply."""
        return self._rejection


class ShadowListener:
    """A listener for `desired.settings` of the thing's named shadow `deeplens`.

    The complete settings are requested at the start; then each change is received. A failed
    subscription is retried, while the current settings continue to apply.
    """

    def __init__(
        self,
        *,
        thing: str,
        subscriber: Subscriber,
        publisher: ResultPublisher,
        apply_desired: ApplyDesired,
    ) -> None:
        """Call `apply_desired` from one thread; it returns true if the settings apply."""
        shadow = SHADOW.format(thing=thing)
        self._get = f"{shadow}/get"
        self._topics = (f"{shadow}/get/accepted", f"{shadow}/update/delta")
        self._subscriber = subscriber
        self._publisher = publisher
        self._apply_desired = apply_desired
        self._stopping = threading.Event()
        self._is_rejected = False
        self._received: queue.Queue[tuple[str, bytes] | None] = queue.Queue(_MAX_WAITING)

    def run(self) -> None:
        """Receive settings until `stop` is called."""
        subscription = threading.Thread(
            target=self._subscribe, name="ShadowSubscription", daemon=True
        )
        subscription.start()
        while not self._stopping.is_set():
            try:
                received = self._received.get(timeout=_RETRY_SECONDS)
            except queue.Empty:
                # If a rejected value is reset to the current value, AWS IoT sends no delta message.
                if self._is_rejected:
                    self._request_again()
                continue
            if received is not None:
                self._use(*received)
        subscription.join()

    def stop(self) -> None:
        """Make `run` close the connection and return."""
        self._stopping.set()
        self._subscriber.close()
        # A full queue also wakes `run`.
        with contextlib.suppress(queue.Full):
            self._received.put_nowait(None)

    def _subscribe(self) -> None:
        backoff, counts = Backoff(), ErrorCounts()
        while not self._stopping.is_set():
            try:
                self._subscriber.subscribe(self._topics, self._receive, self._request)
                backoff.succeeded()
            except Exception as error:  # noqa: BLE001 - the next attempt may succeed
                if is_logged(counts.count(error)):
                    logger.warning("settings of the shadow are not received: %s", error)
            self._stopping.wait(backoff.failed())

    def _request(self) -> None:
        """Request the complete shadow; if the shadow does not exist yet, no response arrives."""
        self._publisher.publish(self._get, b"{}")

    def _request_again(self) -> None:
        try:
            self._request()
        except Exception as error:  # noqa: BLE001 - the request is repeated
            logger.info("the shadow was not requested: %s", error)

    def _receive(self, topic: str, payload: bytes) -> None:
        try:
            self._received.put_nowait((topic, payload))
        except queue.Full:
            logger.warning("settings arrive faster than they can be applied; one is ignored")

    def _use(self, topic: str, payload: bytes) -> None:
        desired = _desired(topic, payload)
        if desired is not None:
            self._is_rejected = not self._apply_desired(desired)


def _desired(topic: str, payload: bytes) -> Any:
    """Return the desired settings in a shadow's message; None if it contains none."""
    if len(payload) > _LARGEST_DOCUMENT_BYTES:
        return None
    try:
        state = parse_json(payload)["state"]
        if topic.endswith("/get/accepted"):
            state = state["desired"]
        return state["settings"]
    except (ValueError, KeyError, TypeError):
        return None


def _number(least: float, most: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        # In Python, bool is a subclass of int.
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        # Comparisons with NaN are false. An integer can be too large for a float.
        if not is_number or not least <= value <= most:
            raise ValueError(f"a number from {least:g} to {most:g}")
        return float(value)

    return check


def _integer(least: int, most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            raise ValueError(f"an integer from {least} to {most}")
        return int(value)

    return check


def _range_of_scores(value: Any) -> tuple[float, ...]:
    expected = "a list of two scores from 0 to 1, the lower one first, or an empty list"
    if not isinstance(value, list) or len(value) not in {0, 2}:
        raise ValueError(expected)
    try:
        scores = tuple(_number(0.0, 1.0)(score) for score in value)
    except ValueError:
        raise ValueError(expected) from None
    if scores and scores[0] >= scores[1]:
        raise ValueError(expected)
    return scores


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - same handling as other invalid values
    return value


def _labels(value: Any) -> tuple[str, ...]:
    if (
        not isinstance(value, list)
        or len(value) > _MAX_LABELS
        or not all(_is_label(label) for label in value)
    ):
        raise ValueError(
            f"a list of at most {_MAX_LABELS} labels of 1 to {_LONGEST_LABEL} characters"
        )
    return tuple(dict.fromkeys(value))


def _is_label(value: Any) -> bool:
    return (
        isinstance(value, str)
        and value == value.strip()
        and 0 < len(value) <= _LONGEST_LABEL
        # Label maps permit the same characters.
        and printable(value) == value
    )


def quoted(value: Any) -> str:
    """Return an invalid value for a message: quoted, on one line, and truncated."""
    text = repr(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "threshold": _number(*THRESHOLD_RANGE),
    "frame_interval_seconds": _number(*FRAME_INTERVAL_RANGE_SECONDS),
    "labels": _labels,
    "publish_on_change": _boolean,
    "label_interval_seconds": _number(0.0, 86400.0),
    "drift_threshold": _number(0.0, 1.0),
    "crop_scores": _range_of_scores,
    "crop_files": _integer(1, 10_000),
    "crop_mib": _integer(1, 256),
}
