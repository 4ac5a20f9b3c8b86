"""Connects over IPv6 to an address of IPv4. Contained: the server sees nothing."""

import socket
import sys

sys.path.insert(0, ".")
from lever import AT, attempt

for address in ("::ffff:127.0.0.1", "::1", "::"):
    near = socket.socket(socket.AF_INET6)
    near.settimeout(1)
    attempt(near.connect, (address, AT.tcp_port))
