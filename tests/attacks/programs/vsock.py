"""Opens a socket to the host of the virtual machine. Contained: refused."""

import socket
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped

for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    if attempt(socket.socket, 40, kind):
        escaped("a socket to the host")
