"""Runs a program that lies outside. Contained: it is not there, or refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT

os.execve(AT.program, ["program"], {})
