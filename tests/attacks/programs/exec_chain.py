"""Replaces itself 300 times by a new interpreter. Contained: ended at the limit at the latest."""

import os
import sys

count = int(sys.argv[1]) if len(sys.argv) > 1 else 0
if count < 300:
    os.execv(sys.executable, [sys.executable, "-I", "-S", "main.py", str(count + 1)])
