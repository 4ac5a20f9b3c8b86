"""The short form of the proofs that take thousands of cases; `make prove` runs them whole."""

from proofs import (
    conversations,
    critic_gradient,
    fuzz_data,
    fuzz_recipes,
    hybrid_identities,
    slow_tools,
)


def test_no_spoilt_recipe_ends_in_a_traceback() -> None:
    proof = fuzz_recipes.prove(short=True, seed=20)
    assert proof["held"] == proof["asked"] == 150, proof["failures"]
    assert proof["whole_recipes_accepted"] == "14 of 14"


def test_no_spoilt_file_of_problems_ends_in_a_traceback() -> None:
    proof = fuzz_data.prove(short=True, seed=20)
    assert proof["held"] == proof["asked"] == 150, proof["failures"]
    assert proof["whole_files_accepted"] == "10 of 10"


def test_with_the_true_values_every_estimate_has_the_exact_gradient() -> None:
    proof = critic_gradient.prove(short=True, seed=1)
    assert proof["held"] == proof["asked"] == 96, proof["failures"]


def test_the_hybrid_is_what_it_must_be_at_its_corners() -> None:
    proof = hybrid_identities.prove(short=True, seed=1)
    assert proof["held"] == proof["asked"] == 214, proof["failures"]


def test_the_tokens_of_a_conversation_are_what_was_said_and_shown() -> None:
    proof = conversations.prove(short=True, seed=1)
    assert proof["held"] == proof["asked"] == 66, proof["failures"]


def test_slots_stay_busy_and_the_order_of_tools_changes_no_bit() -> None:
    proof = slow_tools.prove(short=True, seed=1)
    assert proof["held"] == proof["asked"] == 7, proof["failures"]
