"""The same cases with other numbers, shapes and masks: what a fixture must not be needed for."""

import copy
import random
from typing import Any

Content = dict[str, Any]


def perturbed(content: Content, seed: int) -> Content:
    """A file's content with new fixtures, and with inputs that fit them; what is expected is dropped."""
    chance = random.Random(seed)
    result = copy.deepcopy(content)
    fixtures = result["fixtures"]
    fixtures["F1"] = tokens(chance, drift=0.5)
    fixtures["F1s"] = tokens(chance, drift=5e-4)
    fixtures["R4"]["rewards"] = rewards(chance, chance.randint(2, 6))
    fixtures["RG"] = groups(chance)
    for case in result["cases"]:
        name = case["inputs"].get("fixture")
        case["inputs"] = inputs(chance, case["inputs"], fixtures.get(name, {}))
        case.pop("expected")
    return result


def tokens(chance: random.Random, *, drift: float) -> Content:
    """A fixture of the kind of F1: right-padded log-probabilities of one group."""
    lengths = [chance.randint(1, 7) for _ in range(chance.randint(2, 6))]
    longest = max(lengths)
    mask = [[float(t < length) for t in range(longest)] for length in lengths]

    def near(base: list[list[float]] | None, size: float) -> list[list[float]]:
        return [
            [
                0.0
                if not on
                else min((base[i][t] if base else -1.5) + chance.gauss(0, size), -1e-3)
                for t, on in enumerate(row)
            ]
            for i, row in enumerate(mask)
        ]

    old = near(None, 0.7)
    return {
        "mask": mask,
        "lp_old": old,
        "lp_new": near(old, drift),
        "lp_ref": near(old, 0.4),
        "lp_rollout": near(old, 0.4),
        "adv_per_response": [chance.gauss(0, 1) for _ in lengths],
    }


def groups(chance: random.Random) -> Content:
    """A fixture of the kind of RG: rewards and lengths of several groups, one of them flat."""
    size = chance.randint(2, 6)
    rows = [rewards(chance, size) for _ in range(chance.randint(2, 5))]
    rows.append([chance.choice([0.0, 0.1, 1.0])] * size)
    chance.shuffle(rows)
    lengths = [[float(chance.randint(1, 9)) for _ in row] for row in rows]
    return {"rewards": rows, "lengths": lengths}


def rewards(chance: random.Random, size: int) -> list[float]:
    if chance.random() < 0.5:
        found = [float(chance.random() < 0.5) for _ in range(size)]
    else:
        found = [round(chance.random(), 2) for _ in range(size)]
    return found if len(set(found)) > 1 else [1.0, *found[1:-1], 0.25]


def inputs(chance: random.Random, given: Content, fixture: Content) -> Content:
    """The inputs with new numbers where their meaning is plain, of the fixture's shape where it has one."""
    rows = len(fixture.get("mask", ())) or chance.randint(3, 7)
    result = dict(given)
    if "values" in given:
        result |= values(chance, chance.randint(1, 6))
    elif "rewards" in given and "logits" not in given:
        result |= one_group(chance, given, rows)
    if "micro_batches" in given:
        cut = chance.randint(1, rows - 1)
        result["micro_batches"] = [list(range(cut)), list(range(cut, rows))]
    if "steps_end_index_and_reward" in given:
        result |= steps(chance)
    if {"n", "c", "k"} <= given.keys():
        result |= counts(chance, given)
    if set(given) == {"G", "p"}:
        result |= {"G": chance.randint(2, 9), "p": chance.uniform(0.05, 0.95)}
    return result | matrices(chance, given, fixture)


def values(chance: random.Random, size: int) -> Content:
    drawn = [[chance.gauss(0, 1) for _ in range(size)] for _ in range(2)]
    return {"rewards": drawn[0], "values": drawn[1], "bootstrap": chance.gauss(0, 1)}


def one_group(chance: random.Random, given: Content, size: int) -> Content:
    result: Content = {"rewards": rewards(chance, size)}
    if "k" in given:
        result["k"] = chance.randint(2, max(2, size - 1))
    if "lengths" in given:
        result["lengths"] = [float(chance.randint(1, 9)) for _ in range(size)]
    return result


def counts(chance: random.Random, given: Content) -> Content:
    size = chance.randint(3, 9)
    k = [1, 2, size] if isinstance(given["k"], list) else chance.randint(1, size)
    return {"n": size, "c": chance.randint(1, size - 1), "k": k}


def matrices(chance: random.Random, given: Content, fixture: Content) -> Content:
    result: Content = {}
    for key in given.keys() & {"sum_pi_squared", "entropies"}:
        result[key] = [[on * chance.uniform(0.05, 0.9) for on in row] for row in fixture["mask"]]
    if "reward_1" in given:
        shape = [chance.randint(2, 4), chance.randint(2, 6)]
        for key in ("reward_1", "reward_2"):
            result[key] = [rewards(chance, shape[1]) for _ in range(shape[0])]
    return result


def steps(chance: random.Random) -> Content:
    lengths = [chance.randint(2, 7) for _ in range(chance.randint(2, 5))]
    found = []
    for length in lengths:
        ends = sorted(chance.sample(range(length), chance.randint(1, length)))
        found.append([[end, round(chance.random(), 2)] for end in ends])
    return {"lengths": lengths, "steps_end_index_and_reward": found}
