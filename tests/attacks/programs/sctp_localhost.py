"""Uses transports that rules about TCP do not know. Contained: refused, or on a network of its own."""

import socket
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

for kind, protocol in ((1, 132), (5, 132), (6, 33), (2, 136)):
    near = attempt(socket.socket, socket.AF_INET, kind, protocol)
    if near:
        near.settimeout(1)
        if attempt(near.connect, ("127.0.0.1", AT.tcp_port)):
            escaped(f"connected by protocol {protocol}")
