"""Reads, writes, computes, sleeps and runs threads as any honest program does. Contained: all of it works."""

import io
import json
import math
import os
import sys
import threading
import time

sys.path.insert(0, ".")
from lever import worked

WORKS = True
done = []
threads = [threading.Thread(target=done.append, args=(math.factorial(50),)) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
start = time.monotonic()
time.sleep(0.05)
text = json.loads(json.dumps({"pid": os.getpid(), "text": "ä", "random": os.urandom(4).hex()}))
if (
    len(done) == 4
    and time.monotonic() - start >= 0.05
    and text["text"] == "ä"
    and io.StringIO("x").read()
):
    worked()
