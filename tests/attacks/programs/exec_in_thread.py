"""Replaces itself from a thread that is not its first. Contained: it goes on as one program."""

import os
import sys
import threading
import time

ENDS = ("wall", None)
wait = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(20)"]
threading.Thread(target=os.execv, args=(sys.executable, wait)).start()
time.sleep(20)
