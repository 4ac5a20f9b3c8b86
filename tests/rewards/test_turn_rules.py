"""What an environment said of turns, as a reward of the stage."""

from cohort.rewards.built_in import BUILT_IN

turns = BUILT_IN["turns"]


def episode(*parts):
    """An episode as rewards are told of it: tokens sampled, shown, and the reward of each turn."""
    names = ("sampled", "observed", "reward")
    return {"turns": [dict(zip(names, part, strict=True)) for part in parts]}


def test_a_turn_ends_with_its_last_sampled_token_whatever_was_shown_before():
    told = episode((3, 2, 0.5), (4, 6, None), (1, 0, -1.0))
    assert turns(completions=[""], episodes=[told]) == [[(3, 0.5), (16, -1.0)]]


def test_an_episode_without_rewards_and_an_answer_without_turns_say_nothing():
    told = [episode((3, 2, None), (4, 0, None)), None]
    assert turns(completions=["", ""], episodes=told) == [None, None]
    assert turns(completions=["", ""]) == [None, None]
    assert turns(completions=["", ""], episodes=told, whole=True) == [None, None]


def test_the_sum_of_the_turns_is_the_reward_of_the_whole_episode():
    told = episode((3, 2, 0.5), (4, 6, None), (1, 0, -1.25))
    assert turns(completions=[""], episodes=[told], whole=True) == [-0.75]
