"""Opens sockets that see or forge every packet. Contained: refused."""

import socket
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped

kinds = [(socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_INET, socket.SOCK_RAW, 255)]
kinds += [(socket.AF_PACKET, socket.SOCK_RAW, 0x300), (socket.AF_INET, socket.SOCK_DGRAM, 1)]
for kind in kinds:
    if attempt(socket.socket, *kind):
        escaped(f"a socket of kind {kind}")
