"""Connects to a server of the machine. Contained: the server sees nothing."""

import socket
import sys

sys.path.insert(0, ".")
from lever import AT

with socket.create_connection(("127.0.0.1", AT.tcp_port), 1) as near:
    near.send(b"hello")
