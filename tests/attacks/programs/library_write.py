"""Changes a folder that it may read. Contained: it stays as it was."""

import os
import pathlib
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

path = pathlib.Path(AT.library, "library.py")
attempt(path.with_name(f"{AT.mark}.py").write_text, "planted")
attempt(path.rename, path.with_name("other.py"))
attempt(os.truncate, path, 0)
attempt(path.chmod, 0o777)
attempt(path.unlink)
for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_RDONLY | os.O_TRUNC):
    if attempt(os.open, path, flags):
        escaped(f"opened the library with {flags:#o}")
