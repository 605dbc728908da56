"""The MQTT traffic of followed devices, recorded where the broker receives and delivers it."""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

from typing import Any

from ministack.services import iot

from local_aws import json_text
from local_aws.account_region import Scope
from local_aws.transcripts.traffic import Traffic


def report_mqtt(traffic: Traffic) -> None:
    """Report the connections, subscriptions and messages of devices to ``traffic``.

    The client id of a device is its thing name. Additional connections append ``#`` and a number.
    """
    register = iot._register_client
    subscribe = iot.broker_subscribe
    publish = iot.broker_publish

    def register_and_report(
        account: str, region: str, client_id: str, session: Any, *args: Any, **kwargs: Any
    ) -> None:
        event = {
            "from": "device",
            "mqtt": "connect",
            "version": 5 if session.protocol_version == iot.MQTT_5 else 3,
            "client_id": client_id,
        }
        traffic.add(Scope(account, region), _thing(client_id), event)
        register(account, region, client_id, session, *args, **kwargs)

    async def subscribe_and_report(  # noqa: PLR0913, PLR0917 - the signature of ministack's function
        account: str,
        region: str,
        topic_filter: str,
        callback: Any,
        granted_qos: int = 0,
        client_id: str | None = None,
        **kwargs: Any,
    ) -> Any:
        event = {
            "from": "device",
            "mqtt": "subscribe",
            "topic": topic_filter,
            "qos": granted_qos,
        }
        traffic.add(Scope(account, region), _thing(client_id or ""), event)
        return await subscribe(
            account, region, topic_filter, callback, granted_qos, client_id, **kwargs
        )

    async def publish_and_report(
        account: str, region: str, topic: str, payload: bytes, qos: int = 0, *args: Any, **kw: Any
    ) -> None:
        scope = Scope(account, region)
        if followed := traffic.followed(scope):
            event = {"mqtt": "publish", "topic": topic, "qos": qos, "payload": _value(payload)}
            sender = _thing(kw.get("client_id") or "")
            receivers = _receivers(scope, topic)
            for thing in followed:
                if thing == sender:
                    traffic.add(scope, thing, {"from": "device", **event})
                if thing in receivers:
                    traffic.add(scope, thing, {"from": "cloud", **event})
        await publish(account, region, topic, payload, qos, *args, **kw)

    iot._register_client = register_and_report
    iot.broker_subscribe = subscribe_and_report
    iot.broker_publish = publish_and_report


def _receivers(scope: Scope, topic: str) -> set[str]:
    """Return the devices that are subscribed to a topic."""
    subscriptions = [
        subscription for group in iot._subscriptions.values() for subscription in group
    ]
    return {
        _thing(subscription.client_id)
        for subscription in subscriptions
        if subscription.client_id
        and (subscription.account_id, subscription.region) == (scope.account, scope.region)
        and iot._subscription_matches(
            iot._unscope_topic(scope.account, scope.region, subscription.filter_prefixed), topic
        )
    }


def _thing(client_id: str) -> str:
    return client_id.partition("#")[0]


def _value(payload: bytes) -> Any:
    """Return the JSON value of a payload, or its text with invalid characters replaced."""
    try:
        return json_text.parse(payload)
    except ValueError:
        return payload.decode(errors="replace")
