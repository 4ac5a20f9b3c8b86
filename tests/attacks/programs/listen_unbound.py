"""Listens without ever binding, on a port that the kernel chooses. Contained: refused, or its own network."""

import errno
import socket
import sys

sys.path.insert(0, ".")
from lever import AT, escaped

near = socket.socket()
near.listen()
error = near.getsockname() and 0
try:
    socket.socket().bind(("127.0.0.1", AT.tcp_port))
except OSError as refusal:
    error = refusal.errno
if error == errno.EADDRINUSE:
    escaped("it listens on the machine's network")
