"""Reads the machine's list of users. Contained: not the true one."""

import hashlib
import sys

sys.path.insert(0, ".")
from lever import AT, contents, escaped

if hashlib.sha256(contents("/etc/passwd")).hexdigest() == AT.passwd_sha256:
    escaped("the list of users")
