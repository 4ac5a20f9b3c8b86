"""Computes in eight threads outside the interpreter's lock. Contained: their time is added up."""

import hashlib
import threading

for _ in range(8):
    threading.Thread(
        target=hashlib.pbkdf2_hmac, args=("sha256", b"a", b"b", 40_000_000), daemon=False
    ).start()
