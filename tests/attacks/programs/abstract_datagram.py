"""Sends to sockets with a name but no file without connecting. Contained: nobody hears it."""

import socket
import sys

sys.path.insert(0, ".")
from lever import AT, attempt

near = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
attempt(near.sendto, b"hello", "\0" + AT.abstract_datagram)
far, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
attempt(far.sendto, b"hello", "\0" + AT.abstract_datagram)
attempt(far.sendto, b"hello", AT.unix_datagram_path)
