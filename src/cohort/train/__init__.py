"""The stages of a run, and the only room that knows the order of things.

The room can be called: `cohort.train(...)` is `cohort.train.api.train(...)`. Python makes a package
an attribute of its parent under the package's own name, so that one name has to be both.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _CallableRoom(ModuleType):
    """A module whose call is that of `train` in its `api`, which loads torch only then."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        from cohort.train.api import train

        return train(*args, **options)


sys.modules[__name__].__class__ = _CallableRoom
