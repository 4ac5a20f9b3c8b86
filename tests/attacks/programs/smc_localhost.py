"""Connects with shared memory sockets, which fall back to TCP past its rules. Contained: nobody sees it."""

import socket
import sys

sys.path.insert(0, ".")
from lever import AT

with socket.socket(43, socket.SOCK_STREAM, 0) as near:
    near.settimeout(1)
    near.connect(("127.0.0.1", AT.tcp_port))
