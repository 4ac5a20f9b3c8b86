"""What `import cohort` offers, and that the room `cohort.train` can be called."""

import subprocess
import sys

import pytest

import cohort


def test_the_public_names_are_sorted_and_there() -> None:
    assert list(cohort.__all__) == sorted(cohort.__all__)
    for name in cohort.__all__:
        assert getattr(cohort, name) is not None
        assert name in dir(cohort)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = cohort.trian


@pytest.mark.parametrize(
    "statement",
    [
        "import cohort",
        "import cohort, cohort.train",
        "import cohort.train.api, cohort",
        "import cohort\nfrom cohort import train\nassert train is cohort.train",
    ],
)
def test_calling_the_room_train_trains_however_it_was_imported(statement: str) -> None:
    # A stand-in for the real `api`, so that nothing is trained and torch is not loaded.
    code = f"""
import sys, types
api = sys.modules["cohort.train.api"] = types.ModuleType("cohort.train.api")
api.train = lambda *args, **options: (args, options)
{statement}
assert cohort.train("model", steps=3) == (("model",), {{"steps": 3}})
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
