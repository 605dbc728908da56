"""Transcripts of the messages between a core device and the cloud: format, patterns, recording.

A transcript is a file of JSON lines. The first line describes the transcript, and each other line
is one event:

    {"transcript": 1, "title": …, "source": …, "date": …, "nucleus": …, "version": …}
    {"from": "device", "mqtt": "connect", "version": 5, "client_id": "${thing}"}
    {"from": "device", "mqtt": "subscribe", "topic": …, "qos": 1}
    {"from": "device" or "cloud", "mqtt": "publish", "topic": …, "qos": 0, "payload": …}
    {"from": "device", "https": "GET", "path": …, "headers": …, "body": …}
    {"from": "cloud", "https": 200, "body": …}
    {"from": "device", "s3": "GET", "bucket": …, "key": …, "signed_headers": …}
    {"from": "cloud", "s3": 200}
    {"from": "operator", "do": …}

A response follows its request. An event of an operator is an action outside of the protocol, such
as the creation of a deployment. Values are patterns (`patterns.py`).
"""
