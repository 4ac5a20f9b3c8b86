"""Deletes its own folder and puts a link in its place. Contained: nobody follows it."""

import os
import shutil
import sys

sys.path.insert(0, ".")
from lever import attempt

here = os.getcwd()
shutil.rmtree(here, ignore_errors=True)
attempt(os.chdir, "/")
attempt(os.rmdir, here)
attempt(os.symlink, "/", here)
