"""Hangs within compiled code that never returns to the interpreter. Contained: ended at the limit."""

import hashlib

hashlib.pbkdf2_hmac("sha256", b"a", b"b", 60_000_000)
