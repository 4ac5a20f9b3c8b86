"""Runs a shell that runs a shell in the background that waits. Contained: none left."""

import os

os.execv("/bin/sh", ["sh", "-c", "(trap '' TERM HUP; sleep 20) & (setsid sleep 20 &) ; exit 3"])
