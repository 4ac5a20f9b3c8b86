"""Speaks to services that would do anything for it. Contained: none is there, or refused."""

import os
import socket
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped

user = os.getuid()
paths = ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"]
paths += [
    "/run/systemd/private",
    "/run/dbus/system_bus_socket",
    f"/run/user/{user}/bus",
    "/dev/log",
]
for path in paths:
    if attempt(socket.socket(socket.AF_UNIX).connect, path):
        escaped(f"connected to {path}")
