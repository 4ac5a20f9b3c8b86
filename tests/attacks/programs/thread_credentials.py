"""Changes who it is in one thread by the raw call, and asks the keyring of the thread. Contained: refused."""

import os
import sys
import threading

sys.path.insert(0, ".")
from lever import allowed, escaped


def change():
    for number in (105, 106, 113, 114, 117, 119, 122, 123):
        allowed(number, 0, 0, 0)
    if 0 in os.getresuid() or 0 in os.getresgid():
        escaped("a thread is root")


thread = threading.Thread(target=change)
if 0 not in (*os.getresuid(), *os.getresgid()):
    thread.start()
    thread.join()
