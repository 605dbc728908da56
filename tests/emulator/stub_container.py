"""A double of a model container that returns its request, or fails as the request requires.

The double accepts the options of `deeplens model serve-container`, and prints the same line.
"""

import argparse
import json
import os
import tarfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(body) if body.startswith(b"{") else {}
        if asked.get("die"):
            os._exit(1)
        time.sleep(asked.get("sleep_seconds", 0))
        answer = {
            "pid": os.getpid(),
            "path": self.path,
            "bytes": len(body),
            "content_type": self.headers["Content-Type"],
            "accept": self.headers["Accept"],
            "environment": options.environment,
        }
        content = json.dumps(asked.get("say", answer)).encode()
        self.send_response(asked.get("status", 200))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if self.headers[ATTRIBUTES]:
            self.send_header(ATTRIBUTES, self.headers[ATTRIBUTES] + " seen")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Suppress the log."""


parser = argparse.ArgumentParser()
parser.add_argument("--model-data", required=True)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--environment", action="append", default=[])
options = parser.parse_args()
with tarfile.open(options.model_data) as archive:
    if "broken" in archive.getnames():
        raise SystemExit("Error: the archive has no SavedModel")
for name, _, value in (setting.partition("=") for setting in options.environment):
    while name == "START_WHEN_EXISTS" and not Path(value).exists():
        time.sleep(0.05)
server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)  # noqa: T201 - the emulator reads this line
server.serve_forever()
