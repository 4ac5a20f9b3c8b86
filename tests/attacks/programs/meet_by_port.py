"""Two programs at once speak over the network of the machine. Contained: no socket, or a network for each."""

import socket
import sys
import time

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

TOGETHER = True
near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if AT.turn == 1:
    near.bind(("127.0.0.1", AT.free_port))
    near.settimeout(2.5)
    if near.recv(16):
        escaped("a word of another program")
else:
    for _ in range(20):
        attempt(near.sendto, b"hello", ("127.0.0.1", AT.free_port))
        time.sleep(0.1)
