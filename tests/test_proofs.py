"""The short form of the proofs that take thousands of cases; `make prove` runs them whole."""

from proofs import fuzz_data, fuzz_recipes


def test_no_spoilt_recipe_ends_in_a_traceback() -> None:
    proof = fuzz_recipes.prove(short=True, seed=20)
    assert proof["held"] == proof["asked"] == 150, proof["failures"]
    assert proof["whole_recipes_accepted"] == "8 of 8"


def test_no_spoilt_file_of_problems_ends_in_a_traceback() -> None:
    proof = fuzz_data.prove(short=True, seed=20)
    assert proof["held"] == proof["asked"] == 150, proof["failures"]
    assert proof["whole_files_accepted"] == "10 of 10"
