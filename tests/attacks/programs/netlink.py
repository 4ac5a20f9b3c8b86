"""Opens sockets to the kernel's own services. Contained: refused."""

import socket
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped

for protocol in range(23):
    if attempt(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, protocol):
        escaped(f"netlink {protocol}")
