"""Endpoints: creation, update with a second fleet, and deletion."""

import shutil
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_aws.account_region import Scope
from local_aws.errors import ServiceError
from local_aws.services.sagemaker.cloud import Cloud
from local_aws.services.sagemaker.containers import ContainerFailed
from local_aws.services.sagemaker.fleet import Fleet, Fleets, VariantServer, stop_fleet
from local_aws.services.sagemaker.images import UnusableModel
from local_aws.services.sagemaker.store import Store

Params = dict[str, Any]
_IN_PROGRESS = ("Creating", "Updating")
_KIND, _CONFIG = "endpoint", "endpoint-config"


class Endpoints:
    """The endpoints of all accounts and Regions, with their container processes."""

    def __init__(self, store: Store, cloud: Cloud, folder: Path) -> None:
        """Set up the operations; `folder` is for the archives and logs of the containers."""
        self._store = store
        self._models = Fleets(store, cloud)
        self._folder = folder
        self._fleets: dict[tuple[Scope, str], Fleet] = {}
        self._changed = threading.Condition()

    def create(self, scope: Scope, params: Params) -> Params:
        """Implement CreateEndpoint; the containers start in the background."""
        name = params["EndpointName"]
        config = self._store.get(scope, _CONFIG, params["EndpointConfigName"])
        now = round(time.time(), 3)
        record = {
            "EndpointName": name,
            "EndpointArn": self._store.arn(scope, _KIND, name),
            "EndpointConfigName": config["EndpointConfigName"],
            "EndpointStatus": "Creating",
            "CreationTime": now,
            "LastModifiedTime": now,
            "DataCaptureConfig": _capture(config),
            "ProductionVariants": [],
        }
        self._store.add(scope, _KIND, name, record)
        self._deploy(scope, record, config, _variants(config))
        return {"EndpointArn": record["EndpointArn"]}

    def update(self, scope: Scope, params: Params) -> Params:
        """Implement UpdateEndpoint; if the new containers fail, the previous containers remain."""
        record = self._settled(scope, params["EndpointName"], "update")
        config = self._store.get(scope, _CONFIG, params["EndpointConfigName"])
        variants = _variants(config)
        if params.get("RetainAllVariantProperties"):
            excluded = {
                property_["VariantPropertyType"]
                for property_ in params.get("ExcludeRetainedVariantProperties", [])
            }
            _retain(record["ProductionVariants"], variants, excluded)
        record["EndpointStatus"] = "Updating"
        record.pop("FailureReason", None)
        self._deploy(scope, record, config, variants)
        return {"EndpointArn": record["EndpointArn"]}

    def update_weights(self, scope: Scope, params: Params) -> Params:
        """Implement UpdateEndpointWeightsAndCapacities."""
        record = self._settled(scope, params["EndpointName"], "update")
        variants = {variant["VariantName"]: variant for variant in record["ProductionVariants"]}
        for desired in params["DesiredWeightsAndCapacities"]:
            if desired["VariantName"] not in variants:
                raise ServiceError(
                    "ValidationException",
                    f'The variant name(s) "{desired["VariantName"]}" is/are not present within '
                    f'endpoint configuration "{record["EndpointConfigName"]}".',
                )
            variant = variants[desired["VariantName"]]
            if "DesiredWeight" in desired:
                variant["DesiredWeight"] = variant["CurrentWeight"] = desired["DesiredWeight"]
            if "DesiredInstanceCount" in desired:
                count = desired["DesiredInstanceCount"]
                variant["DesiredInstanceCount"] = variant["CurrentInstanceCount"] = count
        record["LastModifiedTime"] = round(time.time(), 3)
        return {"EndpointArn": record["EndpointArn"]}

    def delete(self, scope: Scope, params: Params) -> Params:
        """Implement DeleteEndpoint, which also stops the containers."""
        name = params["EndpointName"]
        self.wait(scope, name)
        self._store.remove(scope, _KIND, name)
        with self._changed:
            fleet = self._fleets.pop((scope, name), {})
        stop_fleet(fleet)
        shutil.rmtree(self._folder / name, ignore_errors=True)
        return {}

    def describe(self, scope: Scope, params: Params) -> Params:
        """Implement DescribeEndpoint."""
        return self._store.get(scope, _KIND, params["EndpointName"])

    def wait(self, scope: Scope, name: str) -> Params:
        """Wait until an endpoint is neither Creating nor Updating; return its record."""
        record = self._store.get(scope, _KIND, name)
        with self._changed:
            self._changed.wait_for(lambda: record["EndpointStatus"] not in _IN_PROGRESS)
        return record

    def variant_server(self, scope: Scope, record: Params, variant: str) -> VariantServer:
        """Return a variant's server; after a restart of the emulator, download the model again.

        Raises:
            UnusableModel: the model is no longer available.
        """
        key = (scope, record["EndpointName"])
        with self._changed:
            if key not in self._fleets:
                config = self._store.get(scope, _CONFIG, record["EndpointConfigName"])
                self._fleets[key] = self._models.prepare(
                    scope, config, self._new_folder(record), start=False
                )
            return self._fleets[key][variant]

    def stop_all(self) -> None:
        """Stop all containers, and keep the endpoints."""
        with self._changed:
            fleets, self._fleets = self._fleets, {}
        for fleet in fleets.values():
            stop_fleet(fleet)

    def fail_interrupted(self) -> None:
        """Mark endpoints as failed if the last stop interrupted their creation or update."""
        for record in self._store.all_of(_KIND):
            if record["EndpointStatus"] in _IN_PROGRESS:
                record["EndpointStatus"] = "Failed"
                record["FailureReason"] = (
                    "The emulator was stopped before the endpoint was in service."
                )

    def _settled(self, scope: Scope, name: str, verb: str) -> Params:
        record = self._store.get(scope, _KIND, name)
        if record["EndpointStatus"] != "InService":
            raise ServiceError(
                "ValidationException",
                f'Cannot {verb} in-progress endpoint "{record["EndpointArn"]}": its status is '
                f"{record['EndpointStatus']}.",
            )
        return record

    def _deploy(self, scope: Scope, record: Params, config: Params, variants: list[Params]) -> None:
        def run() -> None:
            try:
                fleet = self._models.prepare(scope, config, self._new_folder(record), start=True)
            except (UnusableModel, ContainerFailed) as error:
                reason = str(error)
                self._settle(record, lambda: _fail(record, reason))
                return
            key = (scope, record["EndpointName"])
            replaced: Fleet = {}

            def serve() -> None:
                replaced.update(self._fleets.get(key, {}))
                self._fleets[key] = fleet
                record.update(
                    EndpointConfigName=config["EndpointConfigName"],
                    EndpointStatus="InService",
                    ProductionVariants=variants,
                    DataCaptureConfig=_capture(config),
                )

            self._settle(record, serve)
            stop_fleet(replaced)

        threading.Thread(target=run, daemon=True, name=f"endpoint-{record['EndpointName']}").start()

    def _settle(self, record: Params, change: Callable[[], None]) -> None:
        with self._changed:
            change()
            record["LastModifiedTime"] = round(time.time(), 3)
            self._changed.notify_all()

    def _new_folder(self, record: Params) -> Path:
        """Return a new folder for a fleet, because an update must not change the running fleet."""
        return self._folder / str(record["EndpointName"]) / uuid.uuid4().hex[:8]

    def clear(self) -> None:
        """Stop all containers, and remove their files."""
        self.stop_all()
        shutil.rmtree(self._folder, ignore_errors=True)


def _fail(record: Params, reason: str) -> None:
    """Set a new endpoint to Failed; an existing endpoint remains InService with its fleet."""
    has_run = bool(record["ProductionVariants"])
    record["EndpointStatus"] = "InService" if has_run else "Failed"
    record["FailureReason"] = reason


def _variants(config: Params) -> list[Params]:
    """Return the variants in the form of DescribeEndpoint."""
    summaries = []
    for variant in config["ProductionVariants"]:
        weight = variant.get("InitialVariantWeight", 1.0)
        summary = {
            "VariantName": variant["VariantName"],
            "CurrentWeight": weight,
            "DesiredWeight": weight,
        }
        if "ServerlessConfig" in variant:
            summary["CurrentServerlessConfig"] = variant["ServerlessConfig"]
        else:
            count = variant.get("InitialInstanceCount", 1)
            summary |= {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
        summaries.append(summary)
    return summaries


def _retain(old: list[Params], new: list[Params], excluded: set[str]) -> None:
    """Copy the current weights and instance counts to new variants, except excluded properties."""
    previous = {variant["VariantName"]: variant for variant in old}
    for variant in new:
        before = previous.get(variant["VariantName"], {})
        for kind in {"DesiredWeight", "DesiredInstanceCount"} - excluded:
            if kind in before and kind in variant:
                variant[kind] = variant[kind.replace("Desired", "Current")] = before[kind]


def _capture(config: Params) -> Params | None:
    """Return the `DataCaptureConfig` of DescribeEndpoint; None without data capture.

    The status is always Stopped, because the emulator does not capture data.
    """
    capture = config.get("DataCaptureConfig")
    if not capture:
        return None
    return {
        "EnableCapture": bool(capture.get("EnableCapture")),
        "CaptureStatus": "Stopped",
        "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
        "DestinationS3Uri": capture["DestinationS3Uri"],
        "KmsKeyId": capture.get("KmsKeyId", ""),
    }
