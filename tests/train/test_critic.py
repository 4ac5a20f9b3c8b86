"""A critic learns what it says it learns, and the policy's step with it is the formula written out."""

from dataclasses import replace

import pytest
import torch

from cohort.config.critic import Critic as Options
from cohort.config.stages import Optimizer
from cohort.data.packing import pack
from cohort.objective.presets import ALGORITHMS
from cohort.policy.valued import valued_from
from cohort.train.batch import Cutting, prepare
from cohort.train.credit import counted_places, select, with_advantages
from cohort.train.critic import Head, HeadCritic, OwnCritic
from cohort.train.critic_values import ask, describe_values, new_critic
from cohort.train.optim import Updater
from cohort.train.products import Products
from cohort.train.step import Beside, learn
from tests.tiny import families, group, plain_logprobs, tiny_policy

PPO = ALGORITHMS["ppo"].but(beta=0.0)
CPU = torch.device("cpu")


def groups():
    """Two groups; one answer was cut."""
    first, second = group([1.0, 0.0, 0.5, 0.0], seed=1), group([0.0, 0.0, 1.0], [1, 6, 2], seed=2)
    cut = replace(first.rollouts[1], stop="length")
    rollouts = (first.rollouts[0], cut, *first.rollouts[2:])
    return select([replace(first, rollouts=rollouts), second], PPO)


def own_critic(policy, **options):
    valued = valued_from(policy, "token")
    torch.nn.init.normal_(valued.head.weight, std=0.3, generator=torch.Generator().manual_seed(3))
    return OwnCritic(valued, Options(**options), updates=10)


def head_critic(policy, **options):
    width = policy.head[0].shape[1]
    weight = 0.3 * torch.randn(width, generator=torch.Generator().manual_seed(3))
    return HeadCritic(Head(weight), policy, Options(kind="head", **options), updates=10)


KINDS = pytest.mark.parametrize("kind", [own_critic, head_critic])


def judged(critic, budget=10_000):
    cutting = Cutting(tokens_per_microbatch=budget, budget_tokens=48, device=CPU)
    made = groups()
    said = ask(critic, made, counted_places(made, PPO), cutting)
    credit = with_advantages(made, PPO, said=said)
    return said, credit, prepare(credit, PPO, cutting)


def plain_values(model, head, prompt, answer):
    """The slow way: one row, all hidden states; the value before each token, and after the last."""
    row = torch.cat([torch.from_numpy(part).long() for part in (prompt, answer)])[None]
    hidden = model(input_ids=row, use_cache=False).last_hidden_state[0, len(prompt) - 1 :]
    return head(hidden)[:, 0].double()


@KINDS
def test_values_are_of_the_state_before_a_token_and_after_a_cut(kind):
    policy, model = tiny_policy()
    critic = kind(policy)
    layer = critic._head.layer if kind is head_critic else critic._valued.head
    said, _, _ = judged(critic)
    values, after = [], []
    with torch.no_grad():
        for g in groups():
            for rollout in g.rollouts:
                found = plain_values(model.model, layer, g.prompt_tokens, rollout.tokens)
                values.append(found[:-1])
                after.append(found[-1] if rollout.stop == "length" else torch.zeros(()).double())
    torch.testing.assert_close(said.values, torch.cat(values), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(said.bootstrap, torch.stack(after), rtol=1e-4, atol=1e-5)
    assert said.bootstrap.count_nonzero() == 1


@KINDS
@pytest.mark.parametrize("budget", [10_000, 12])
def test_cutting_into_rows_changes_neither_values_nor_the_critics_gradient(kind, budget):
    policy, _ = tiny_policy()
    usual, cut = kind(policy), kind(policy)
    one, other = judged(usual), judged(cut, budget)
    torch.testing.assert_close(one[0].values, other[0].values, rtol=1e-4, atol=1e-5)
    metrics = [critic.learn(found[2][0]) for critic, found in ((usual, one), (cut, other))]
    for name in ("val/grad_norm", "loss/value_avg"):
        assert metrics[0][name] == pytest.approx(metrics[1][name], rel=1e-4)


@KINDS
def test_the_loss_is_half_the_mean_squared_error_of_all_tokens(kind):
    critic = kind(tiny_policy()[0], clip=0.0)
    _, credit, (batch,) = judged(critic)
    errors = (batch.values - batch.targets).square()
    metrics = critic.learn(batch)
    assert metrics["loss/value_avg"] == pytest.approx(float(0.5 * errors.mean()), rel=1e-4)
    assert "val/clipfrac_avg" not in metrics
    shown = describe_values(credit)
    left = (batch.targets - batch.values).var(correction=0) / batch.targets.var(correction=0)
    assert shown["val/explained_variance"] == pytest.approx(1.0 - float(left), rel=1e-4)


@KINDS
def test_updates_bring_the_values_to_their_targets(kind):
    critic = kind(tiny_policy()[0], clip=0.0, optimizer=Optimizer(learning_rate=1e-2))
    _, _, (batch,) = judged(critic)
    losses = [critic.learn(batch)["loss/value_avg"] for _ in range(10)]
    assert losses[-1] < 0.7 * losses[0]
    assert critic.learner.trained.version == 10


@KINDS
def test_a_value_that_has_moved_far_is_held(kind):
    critic = kind(tiny_policy()[0], clip=1e-4, optimizer=Optimizer(learning_rate=1e-2))
    _, _, (batch,) = judged(critic)
    first, second = critic.learn(batch), critic.learn(batch)
    assert first["val/clipfrac_avg"] == 0.0, "nothing has moved yet"
    assert second["val/clipfrac_avg"] > 0.2


def test_a_held_value_has_no_gradient():
    critic = head_critic(tiny_policy()[0], clip=0.1)
    _, _, (batch,) = judged(critic)
    (row,) = batch.rows
    old = batch.select(batch.values, row)
    toward = (batch.select(batch.targets, row) - old).sign()
    values = (old + 1e-3 * toward).requires_grad_()
    critic.losses(values, batch, row).sum().backward()
    assert (values.grad * toward < 0).all(), "within the clip every value goes on to its target"
    far = replace(batch, targets=batch.values + 9.0)
    values = (old + 0.2).requires_grad_()
    critic.losses(values, far, row).sum().backward()
    assert not values.grad.any()


def test_the_joint_gradient_of_a_head_is_that_of_both_losses_written_out():
    policy, model = tiny_policy()
    critic, twin = (head_critic(policy, coefficient=0.7, clip=0.0) for _ in range(2))
    _, credit, batches = judged(critic)
    caught = {}

    class Catch(Updater):
        def update(self):
            caught["found"] = torch.cat([m.grad.flatten() for m in self._held])
            return {"grad_norm": 0.0}

    updater = Catch(policy, Optimizer(), updates=1)
    learn(policy, batches, PPO, updater=updater, beside=Beside(critic=twin))
    total, tokens = torch.zeros(()), sum(map(len, credit.targets))
    for (g, r), advantages, targets in zip(
        credit.places, credit.advantages, credit.targets, strict=True
    ):
        of = credit.groups[g]
        answer = of.rollouts[r].tokens
        logprobs = plain_logprobs(model, of.prompt_tokens, answer)
        ratio = (logprobs - logprobs.detach()).exp()
        share = len(of.rollouts) * len(credit.groups)
        total = total - (ratio * torch.from_numpy(advantages)).mean() / share
        values = plain_values(model.model, critic._head.layer, of.prompt_tokens, answer)[:-1]
        total = total + 0.7 * 0.5 * (values - torch.from_numpy(targets)).square().sum() / tokens
    parameters = list(model.parameters())
    theirs = torch.cat([g.flatten() for g in torch.autograd.grad(total, parameters)]).double()
    ours = caught["found"].double()
    assert (ours - theirs).norm() / theirs.norm() < 1e-4


def test_a_head_of_coefficient_0_leaves_the_layers_to_the_policy():
    found = []
    for beside in (Beside(), Beside(critic=head_critic(tiny_policy()[0], coefficient=0.0))):
        policy, _ = tiny_policy()
        _, _, batches = judged(own_critic(policy))
        updater = Updater(policy, Optimizer(), updates=1)
        found.append(learn(policy, batches, PPO, updater=updater, beside=beside)["grad_norm"])
    assert found[0] == found[1]


def test_a_head_uses_the_states_of_the_policys_own_pass(monkeypatch):
    policy, _ = tiny_policy()
    critic = head_critic(policy)
    _, _, batches = judged(critic)
    states, calls = policy.states, []
    monkeypatch.setattr(policy, "states", lambda row: calls.append(row) or states(row))
    updater = Updater(policy, Optimizer(), updates=1)
    learn(policy, batches, PPO, updater=updater, beside=Beside(critic=critic))
    assert len(calls) == len(batches[0].rows)
    assert not critic._kept


def test_a_new_row_has_values_without_any_state_kept():
    policy, _ = tiny_policy()
    row = pack(families([(4, [3, 2])]))
    assert head_critic(policy).values(row).shape == (5,)


@pytest.mark.parametrize("reads", ["sequence", "token"])
def test_a_critic_can_begin_as_the_reward_model_of_a_stage(reads, tmp_path):
    policy, _ = tiny_policy()
    model = valued_from(policy, reads)
    torch.nn.init.normal_(model.head.weight, std=0.3)
    products = Products(tmp_path)
    products.leave("rm", lambda folder: model.save(folder / "model"))
    found = new_critic(
        Options(start="stage:rm"), policy, products=products, key=(1, "critic"), updates=1
    )
    row = pack(families([(4, [3, 2])]))
    torch.testing.assert_close(found.values(row), model.values(row))


def test_a_new_head_is_a_function_of_its_key():
    policy, _ = tiny_policy()
    row = pack(families([(4, [3, 2])]))

    def values(key):
        made = new_critic(Options(kind="head"), policy, products=None, key=key, updates=1)
        return made.values(row)

    assert torch.equal(values((1, "critic", "a")), values((1, "critic", "a")))
    assert not torch.equal(values((1, "critic", "a")), values((2, "critic", "a")))
    assert new_critic(None, policy, products=None, key=(1,), updates=1) is None
