"""The expected gradient of each unbiased method is that of the true objective, by going through all.

The policy has three tokens; token 2, or the second token, ends an answer. So there are seven
answers, and every group of G answers, with its chance, can be written down.
"""

from itertools import product

import pytest
import torch

from cohort.objective import baselines, pass_at_k, process, returns, segments
from cohort.objective.advantages import group_centred
from tests.numbers import F64

ANSWERS = [(2,), *product((0, 1), range(3))]
ROLLOUT = torch.tensor([i for i, answer in enumerate(ANSWERS) for _ in answer])
ENDS = ROLLOUT.bincount().cumsum(0) - 1
REWARDS = F64([0.3, 1.0, -0.5, 0.8, 0.1, 2.0, 0.6])
RIGHT = F64([0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
EXACT = {"rtol": 1e-9, "atol": 1e-12}


def logits(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 3, generator=generator, dtype=torch.float64).requires_grad_()


def token_logprobs(parameters):
    """Log-probabilities of all tokens of all answers, flat; row 2 of the parameters is the first place."""
    table = parameters.log_softmax(1)
    found = []
    for answer in ANSWERS:
        found.append(table[2, answer[0]])
        found.extend(table[answer[0], second] for second in answer[1:])
    return torch.stack(found)


def gradient(objective, parameters):
    return torch.autograd.grad(objective, parameters)[0]


def answer_logprobs(parameters):
    tokens = token_logprobs(parameters)
    return torch.zeros(len(ANSWERS), dtype=torch.float64).index_add(0, ROLLOUT, tokens)


def estimated(method, parameters, *, size, rewards=REWARDS, scale=None):
    """The expectation of scale * sum_i A_i grad log pi_i over all groups; scale is 1/G unless given."""
    logprobs = answer_logprobs(parameters)
    groups = torch.tensor(list(product(range(len(ANSWERS)), repeat=size)))
    chance = logprobs.detach()[groups].sum(1).exp()
    number = torch.arange(len(groups)).repeat_interleave(size)
    advantages = method(rewards[groups].flatten(), number).view(-1, size)
    each = (advantages * logprobs[groups]).sum(1) * (1.0 / size if scale is None else scale)
    return gradient((chance * each).sum(), parameters)


def expected_best_of(k, parameters, rewards=REWARDS):
    groups = torch.tensor(list(product(range(len(ANSWERS)), repeat=k)))
    chance = answer_logprobs(parameters)[groups].sum(1).exp()
    return gradient((chance * rewards[groups].amax(1)).sum(), parameters)


UNBIASED = {
    "reinforce": lambda rewards, group: rewards,
    "leave_one_out": baselines.leave_one_out,
    "remax": lambda rewards, group: baselines.remax(rewards, greedy=torch.full_like(rewards, 0.7)),
}


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("name", UNBIASED)
def test_an_unbiased_method_has_the_true_gradient(name, size):
    parameters = logits()
    found = estimated(UNBIASED[name], parameters, size=size)
    torch.testing.assert_close(found, expected_best_of(1, parameters), **EXACT)


@pytest.mark.parametrize("size", [2, 3])
def test_the_groups_own_mean_shrinks_the_gradient(size):
    parameters = logits()
    found = estimated(group_centred, parameters, size=size)
    share = (size - 1) / size
    torch.testing.assert_close(found, share * expected_best_of(1, parameters), **EXACT)


@pytest.mark.parametrize("size", [2, 3])
def test_a_baseline_by_length_is_biased_as_all_that_see_the_rollout_itself(size):
    parameters = logits()
    lengths = ROLLOUT.bincount()

    def method(rewards, group):
        which = (rewards[:, None] == REWARDS).nonzero()[:, 1]
        return baselines.opo(rewards, group, lengths=lengths[which])

    found, true = estimated(method, parameters, size=size), expected_best_of(1, parameters)
    assert not torch.allclose(found, true, rtol=1e-3)
    assert torch.nn.functional.cosine_similarity(found.flatten(), true.flatten(), dim=0) > 0.9


@pytest.mark.parametrize(
    ("baseline", "k"),
    [
        *(("none", k) for k in (1, 2, 3)),
        *(("leave-one-out", k) for k in (1, 2)),
        *(("k-1", k) for k in (2, 3)),
    ],
)
def test_pkpo_has_the_gradient_of_the_expected_best_of_k(baseline, k):
    parameters = logits()
    found = estimated(
        lambda rewards, group: pass_at_k.pkpo(rewards, group, k=k, baseline=baseline),
        parameters,
        size=3,
        scale=1.0,
    )
    torch.testing.assert_close(found, expected_best_of(k, parameters), **EXACT)


@pytest.mark.parametrize("size", [2, 3])
def test_the_lead_of_the_best_has_the_gradient_of_the_groups_best(size):
    parameters = logits()
    found = estimated(pass_at_k.best_only, parameters, size=size, scale=1.0)
    torch.testing.assert_close(found, expected_best_of(size, parameters), **EXACT)


@pytest.mark.parametrize("size", [2, 3])
def test_maxrl_has_the_gradient_of_log_p_expanded_in_its_group(size):
    parameters = logits()
    found = estimated(
        lambda rewards, group: baselines.maxrl(rewards, group, epsilon=0.0),
        parameters,
        size=size,
        rewards=RIGHT,
    )
    p = answer_logprobs(parameters).exp() @ RIGHT
    expansion = -sum((1.0 - p) ** k / k for k in range(1, size))
    torch.testing.assert_close(found, gradient(expansion, parameters), **EXACT)


def over_tokens(advantages, parameters):
    """The expectation over answers of sum_t A_t grad log pi_t."""
    logprobs = token_logprobs(parameters)
    chance = answer_logprobs(parameters).detach().exp()
    return gradient((chance[ROLLOUT] * advantages * logprobs).sum(), parameters)


def test_steps_still_to_come_have_the_gradient_of_their_sum():
    parameters, generator = logits(), torch.Generator().manual_seed(3)
    by_place = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    values = F64(
        [
            float(by_place[2, a[0]]) if t == 0 else float(by_place[a[0], a[1]])
            for a in ANSWERS
            for t in range(len(a))
        ]
    )
    advantages = process.steps_to_come(values, end=torch.arange(len(values)), rollout=ROLLOUT)
    total = torch.zeros(len(ANSWERS), dtype=torch.float64).index_add(0, ROLLOUT, values)
    true = gradient(answer_logprobs(parameters).exp() @ total, parameters)
    torch.testing.assert_close(over_tokens(advantages, parameters), true, **EXACT)


@pytest.mark.parametrize("by_token", [True, False])
def test_the_kl_in_the_reward_has_the_gradient_of_the_kl(by_token):
    parameters, beta = logits(), 0.3
    now, reference = token_logprobs(parameters).detach(), token_logprobs(logits(1)).detach()
    if by_token:
        rewards = returns.kl_penalized(REWARDS, now, reference, ROLLOUT, beta=beta)
        advantages = segments.suffix_sums(rewards, ROLLOUT)
    else:
        whole = returns.kl_penalized_score(REWARDS, now, reference, ROLLOUT, beta=beta)
        advantages = whole[ROLLOUT]
    policy = answer_logprobs(parameters)
    divergence = (policy.exp() * (policy - answer_logprobs(logits(1)).detach())).sum()
    true = gradient(policy.exp() @ REWARDS - beta * divergence, parameters)
    torch.testing.assert_close(over_tokens(advantages, parameters), true, **EXACT)


def predicted(parameters, exact):
    """The value before each token: the true one, or any function of what came before."""
    if not exact:
        prefix = [3 if t == 0 else answer[0] for answer in ANSWERS for t in range(len(answer))]
        return F64([0.4, -1.0, 0.0, 0.9])[torch.tensor(prefix)]
    chance = answer_logprobs(parameters).detach().exp()
    found = []
    for answer in ANSWERS:
        for t in range(len(answer)):
            same = torch.tensor([other[:t] == answer[:t] for other in ANSWERS])
            found.append(float((chance * REWARDS)[same].sum() / chance[same].sum()))
    return F64(found)


@pytest.mark.parametrize(("lam", "exact"), [(1.0, False), (1.0, True), (0.5, True), (0.0, True)])
def test_gae_is_unbiased_with_lambda_one_or_with_the_true_values(lam, exact):
    parameters = logits()
    rewards = torch.zeros(len(ROLLOUT), dtype=torch.float64).index_add(0, ENDS, REWARDS)
    none = torch.zeros(len(ANSWERS), dtype=torch.float64)
    advantages = returns.gae(
        rewards, predicted(parameters, exact), ROLLOUT, gamma=1.0, lam=lam, bootstrap=none
    )
    true = expected_best_of(1, parameters)
    torch.testing.assert_close(over_tokens(advantages, parameters), true, **EXACT)


def test_gae_with_wrong_values_and_a_short_view_is_biased():
    parameters = logits()
    rewards = torch.zeros(len(ROLLOUT), dtype=torch.float64).index_add(0, ENDS, REWARDS)
    none = torch.zeros(len(ANSWERS), dtype=torch.float64)
    advantages = returns.gae(
        rewards, predicted(parameters, exact=False), ROLLOUT, gamma=1.0, lam=0.5, bootstrap=none
    )
    assert not torch.allclose(over_tokens(advantages, parameters), expected_best_of(1, parameters))
