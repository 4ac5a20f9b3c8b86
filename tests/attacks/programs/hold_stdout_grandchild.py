"""A grandchild keeps the output open after the program has ended. Contained: nobody waits for it."""

import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(20)
    os._exit(0)
print("done", flush=True)
