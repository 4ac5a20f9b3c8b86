"""Turns a socket of a pair, which is allowed, to a server outside. Contained: nobody hears it."""

import socket
import sys

sys.path.insert(0, ".")
from lever import AT, attempt

for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    near, _ = socket.socketpair(socket.AF_UNIX, kind)
    for address in ("\0" + AT.abstract, "\0" + AT.abstract_datagram, AT.unix_path):
        attempt(near.connect, address)
    attempt(near.sendmsg, [b"hello"], [], 0, "\0" + AT.abstract_datagram)
