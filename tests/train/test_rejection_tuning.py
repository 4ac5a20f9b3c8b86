"""Online rejection tuning is supervised learning on the answers that are kept."""

import torch

from cohort.config.stages import Optimizer
from cohort.data.packing import Family, Member
from cohort.objective.presets import ALGORITHMS
from cohort.train.batch import Cutting, prepare
from cohort.train.credit import select, with_advantages
from cohort.train.optim import Updater
from cohort.train.step import learn
from cohort.train.supervised import imitate
from tests.tiny import gradients, group, tiny_policy

ONLINE = ALGORITHMS["online-rft"].but(weight="token")
GROUPS = [group([1.0, 0.0, 1.0, 0.0], [3, 9, 6, 2], seed=1), group([0.0, 1.0], [5, 4], seed=2)]
"""Answers that are right and wrong; the right ones have 3, 6 and 4 tokens, all together have 29."""


def _updater(policy, caught):
    class Catch(Updater):
        def update(self):
            caught.append(gradients(policy.model).double())
            return {"grad_norm": 0.0}

    return Catch(policy, Optimizer(), updates=1)


def _online(algorithm):
    policy, _ = tiny_policy()
    caught = []
    credit = with_advantages(select(GROUPS, algorithm), algorithm)
    cutting = Cutting(tokens_per_microbatch=999, budget_tokens=48, device=torch.device("cpu"))
    learn(policy, prepare(credit, algorithm, cutting), algorithm, updater=_updater(policy, caught))
    return caught[0]


def _supervised(kept):
    policy, _ = tiny_policy()
    caught = []
    families = [Family(g.prompt_tokens, (Member(g.rollouts[n].tokens, 0),)) for g, n in kept]
    imitate(policy, families, _updater(policy, caught), tokens_per_microbatch=999)
    return caught[0]


KEPT = [(GROUPS[0], 0), (GROUPS[0], 2), (GROUPS[1], 1)]


def test_its_gradient_is_that_of_supervised_learning_on_the_right_answers():
    ours, theirs = _online(ONLINE), _supervised(KEPT)
    assert (ours * 29 / 13 - theirs).norm() / theirs.norm() < 1e-4


def test_as_the_paper_weighs_them_each_answer_counts_alike():
    ours = _online(ALGORITHMS["online-rft"])
    parts = [_supervised([one]) / (2 * len(one[0].rollouts)) for one in KEPT]
    theirs = torch.stack(parts).sum(0)
    assert (ours - theirs).norm() / theirs.norm() < 1e-4


def test_a_wrong_answer_more_would_be_noticed():
    ours, theirs = _online(ONLINE), _supervised([*KEPT, (GROUPS[1], 0)])
    assert torch.cosine_similarity(ours, theirs, dim=0) < 0.999
    assert ours.norm() > 0
