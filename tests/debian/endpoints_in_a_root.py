"""Run a script in a root folder, in a separate network with doubles of AWS' endpoints.

Started by `unshare --mount --net`: loopback is the only interface, and every port is free.
Arguments: the root folder, the offset of the endpoints' clock in seconds, and the script.
"""

import fcntl
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_SET_FLAGS, _UP = 0x8914, 0x1
_HOSTS = (
    "data.iot.eu-central-1.example",
    "credentials.iot.eu-central-1.example",
    "greengrass-ats.iot.eu-central-1.amazonaws.com",
)


def main() -> int:
    """Start the endpoints, run the script, and return its exit code."""
    root, clock_seconds, script = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with socket.socket() as control:
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh14s", b"lo", _UP, b""))
    # Other roots may have hard links to this file, so it is replaced and not changed.
    (root / "etc/hosts").unlink(missing_ok=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost " + " ".join(_HOSTS) + "\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(root / "server.pem")
    context.load_verify_locations(root / "root/cam-1/AmazonRootCA1.pem")
    context.verify_mode = ssl.CERT_OPTIONAL

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            named = self.headers.get("x-amzn-iot-thingname") == "cam-1"
            certificate = self.connection.getpeercert()  # type: ignore[attr-defined]
            known = self.path == "/role-aliases/deeplens-dev-token-exchange/credentials"
            self.send_response_only(200 if named and certificate and known else 403)
            self.send_header("Date", formatdate(time.time() + clock_seconds, usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing, because the test compares the script's output."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Print nothing, because a client that disconnects early is not an error."""

    for port in (8883, 8443, 443):
        server = Server(("127.0.0.1", port), Handler)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
    subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)
    subprocess.run(["mount", "--rbind", "/dev", root / "dev"], check=True)
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return subprocess.run(
        ["chroot", root, "/usr/bin/env", "-i", f"PATH={path}", "HOME=/root", "sh", "-c", script],
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
