"""Conversion of recorded events to patterns: placeholders replace variable values and secrets.

Secrets are removed because transcripts are shared. The placeholders of secrets match any value, so
the transcript can still be played.
"""

import re
from typing import Any

from local_aws.transcripts.events import Event, kind

REMOVED = "${_}"
# Names that match `_SECRET_NAME`, but whose values are not secret.
_HARMLESS = frozenset({"clienttoken", "signed_headers"})
_SECRET_NAME = re.compile(
    r"secret|password|passwd|passphrase|credential|token|authorization|signature|cookie"
    r"|certificate|privatekey|accesskey|apikey|presigned",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"-----BEGIN "
    # Access keys of users and sessions.
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}"
    # Presigned URLs of both signature versions.
    r"|[?&](?:X-Amz-(?:Signature|Credential|Security-Token)|Signature|AWSAccessKeyId)="
    # JSON Web Tokens, and URLs with a user and password.
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\."
    r"|\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@",
    re.IGNORECASE,
)
_NUMBERS = frozenset({
    "timestamp", "sequenceNumber", "queuedAt", "startedAt", "lastUpdatedAt", "creationTimestamp",
    "versionNumber", "executionNumber", "approximateSecondsBeforeTimedOut",
})  # fmt: skip
_NUMBER_PATTERNS = {int: "${_:integer}", float: "${_:number}"}
_TEXTS = {
    "ggcVersion": "${ggc_version:text}",
    "architecture": "${architecture:text}",
    "expiration": "${_:text}",
    "recipe": "${_:text}",
}
# Placeholders for credentials. They have names because a player signs its S3 requests with the
# received credentials.
_CREDENTIALS = {
    "accessKeyId": "${access_key_id:text}",
    "secretAccessKey": "${secret_access_key:text}",
    "sessionToken": "${session_token:text}",
    "expiration": "${_:text}",
}
# Maps members whose values become numbered placeholders to the placeholders' names.
_NAMED = {
    "jobId": "job",
    "deploymentId": "deployment",
    "clientToken": "token",
    "thingGroupName": "group",
    "bucket": "bucket",
    "key": "key",
}
_JOB_TOPIC = re.compile(r"\$aws/things/[^/]+/jobs/(?P<job>[^/$]+)/")
_GREENGRASS_TOPIC = re.compile(
    r"\$aws/things/[^/]+/(?:jobs/.+|greengrassv2/health/json"
    r"|shadow/name/AWSManagedGreengrassV2Deployment/.+)"
)
_ALIAS_PATH = re.compile(r"/role-aliases/(?P<alias>[^/]+)/credentials")
_CONFIGURATION = re.compile(r"(:configuration:[^:\s]+:)[0-9]+\b")
# Members that describe the event and contain no values of a message.
_STRUCTURE = frozenset({"from", "mqtt", "https", "s3", "version", "qos", "signed_headers"})
_NAME_CHARACTER = r"[A-Za-z0-9_.-]"


class Generalizer:
    """A converter of one device's events to patterns, with one placeholder for each value."""

    def __init__(self, *, thing: str, account: str, region: str) -> None:
        self._placeholders = {thing: "${thing}", account: "${account}", region: "${region}"}
        self._counts: dict[str, int] = {}
        self._deployed: set[str] = set()

    def patterns(self, event: Event) -> list[Event]:
        """Return the pattern of an event, after an operator's event if the deployment is new.

        Only payloads on Greengrass' topics are recorded.
        """
        safe = self._without_secrets(event)
        self._collect(safe)
        pattern = {
            name: value if name in _STRUCTURE else self._pattern_of(value, name)
            for name, value in safe.items()
        }
        if _has_credentials(event):
            pattern["body"] = {"credentials": _CREDENTIALS}
        return [*self._new_deployment(safe), pattern]

    def _without_secrets(self, event: Event) -> Event:
        if "payload" in event and not _GREENGRASS_TOPIC.fullmatch(event["topic"]):
            event = {**event, "payload": REMOVED}
        safe: Event = redacted(event)
        return safe

    def _collect(self, value: Any, name: str = "") -> None:
        """Assign placeholders to the identifiers that a value contains."""
        if isinstance(value, dict):
            for key, item in value.items():
                self._collect(item, key)
        elif isinstance(value, list):
            for item in value:
                self._collect(item)
        elif isinstance(value, str):
            if name in _NAMED and value not in {REMOVED, "$next", ""}:
                self._name(value, _NAMED[name])
            if name == "topic" and (job := _JOB_TOPIC.match(value)):
                self._name(job["job"], "job")
            if name == "path" and (path := _ALIAS_PATH.fullmatch(value)):
                self._name(path["alias"], "alias")

    def _name(self, value: str, placeholder: str) -> None:
        if value not in self._placeholders:
            self._counts[placeholder] = number = self._counts.get(placeholder, 0) + 1
            self._placeholders[value] = f"${{{placeholder}{number}}}"

    def _pattern_of(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {self._in_text(key): self._pattern_of(item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [self._pattern_of(item) for item in value]
        # In Python, a boolean is an int; in JSON, it is not a number.
        if name in _NUMBERS and type(value) in _NUMBER_PATTERNS:
            return _NUMBER_PATTERNS[type(value)]
        if name in _TEXTS and isinstance(value, str):
            return _TEXTS[name]
        return self._in_text(value) if isinstance(value, str) else value

    def _in_text(self, text: str) -> str:
        if text == REMOVED:
            return text
        if "${" in text:
            # A reader would parse this text as a placeholder.
            return "${_:text}"
        values = sorted(self._placeholders, key=len, reverse=True)
        names = "|".join(re.escape(value) for value in values)
        identifiers = rf"(?<!{_NAME_CHARACTER})(?:{names})(?!{_NAME_CHARACTER})"
        text = re.sub(identifiers, self._placeholder, text)
        return _CONFIGURATION.sub(r"\g<1>${_:integer}", text)

    def _placeholder(self, value: re.Match[str]) -> str:
        return self._placeholders[value[0]]

    def _new_deployment(self, event: Event) -> list[Event]:
        """Return an operator's event if the device receives a new deployment in a job."""
        if kind(event) != "publish" or event["from"] != "cloud":
            return []
        execution = (
            event["payload"].get("execution") if isinstance(event["payload"], dict) else None
        )
        document = execution.get("jobDocument") if isinstance(execution, dict) else None
        if not isinstance(document, dict) or document.get("deploymentId") in self._deployed:
            return []
        self._deployed.add(str(document.get("deploymentId")))
        components = {
            name: component.get("version")
            for name, component in document.get("components", {}).items()
        }
        return [{"from": "operator", "do": "deploy", "components": components}]


def _has_credentials(event: Event) -> bool:
    """Return whether an event is a response with credentials of the device's role."""
    body = event.get("body")
    return event["from"] == "cloud" and isinstance(body, dict) and "credentials" in body


def redacted(value: Any, name: str = "") -> Any:
    """Return a JSON value without secrets; ``name`` is the name of the value in its object.

    An object with a secret name remains an object, but its values are removed.
    """
    return _redacted(value, is_secret=_is_secret_name(name))


def _redacted(value: Any, *, is_secret: bool) -> Any:
    if isinstance(value, dict):
        return {
            _redacted(key, is_secret=False): _redacted(
                item, is_secret=is_secret or _is_secret_name(key)
            )
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_redacted(item, is_secret=is_secret) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if is_secret or (isinstance(value, str) and _SECRET_TEXT.search(value)):
        return REMOVED
    return value


def _is_secret_name(name: str) -> bool:
    plain = name.lower().replace("-", "").replace("_", "")
    return name.lower() not in _HARMLESS and _SECRET_NAME.search(plain) is not None
