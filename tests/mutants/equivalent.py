"""Mutants that are the same function as what they change: no test can tell them apart.

An entry is wrong if a test does notice the mutant, or if there is no such mutant: both are errors.
"""

EQUIVALENT: dict[str, str] = {
    "algorithms.py exchange ('kl', 'reference', 'adaptive_beta') -> ('reference', 'kl', 'adaptive_beta')": (
        "each is asked for; the order decides only which of two wrong ones is named first"
    ),
    "algorithms.py exchange ('title', 'paper', 'left_open', 'elsewhere') -> ('paper', 'title', 'left_open', 'elsewhere')": (  # noqa: E501
        "they are picked out by name, in whatever order"
    ),
    "diagnostics.py above: detach torch.no_grad() -> nothing": (
        "the result of a comparison has no gradient anyway"
    ),
    "quadratic_surrogates.py kimi_k1_5: exchange logprobs - old.detach() -> old.detach() - logprobs": (
        "of the sum of these differences only the square is used"
    ),
    "token_baseline.py optimal_token_baseline: sign group * (place.max() + 1) + place -> group * (place.max() + 1) - place": (  # noqa: E501
        "a number for each pair of group and place; these, too, are all different"
    ),
}
