"""Two programs at once meet at a socket without a file. Contained: they do not."""

import socket
import sys
import time

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

TOGETHER = True
name = f"\0{AT.mark}-meeting"
near = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
if AT.turn == 1:
    near.bind(name)
    near.settimeout(2.5)
    if near.recv(16):
        escaped("a word of another program")
else:
    for _ in range(20):
        attempt(near.sendto, b"hello", name)
        time.sleep(0.1)
