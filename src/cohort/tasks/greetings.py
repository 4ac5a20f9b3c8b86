"""The task "greetings": greet some people, in words. No rule says what is best: people's liking does.

It is the general data of the recipe `r1`, beside the sums that a rule can check, in one small vocabulary.
Demonstrations greet rightly, some curtly and some kindly, in English or German, with tags or without.
`liked` stands for people who compare answers: a stage `reward-model` learns from it, and policies are
rewarded by that model alone. Measured and not rewarded, it says what became of them.

    prompt      greet Ann Tom:
    kindly      <think></think><answer>hello Ann Tom, it is good to see you</answer>
    curtly      hallo Ann Tom
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import final

import numpy as np

from cohort.data import keyed
from cohort.data.records import Demonstration, Problem
from cohort.rewards.reading import CLOSE_ANSWER, CLOSE_THINK, OPEN_ANSWER, OPEN_THINK, Text, text_of
from cohort.tasks.generated import Drawn, share, whole

NAMES = ("Ann", "Ben", "Eve", "Ida", "Jon", "Kim", "Leo", "Mia", "Ned", "Ola", "Pia", "Tom")
HELLO = {"en": "hello", "de": "hallo"}
KIND = {
    "en": (", it is good to see you", ", the day is better with you"),
    "de": (", es ist gut euch zu sehen", ", der Tag ist besser mit euch"),
}
TAGS = (OPEN_THINK, CLOSE_THINK, OPEN_ANSWER, CLOSE_ANSWER)


@final
class Greetings(Drawn):
    """Groups of one to `people` people to greet.

    people: the most people of a problem.
    kind_share: the share of the demonstrations that say something kind, half of them two things.
    tagged_share: the share of them that put the greeting into tags.
    german_share: the share of them that are in German.
    """

    name = "greetings"

    def __init__(
        self,
        *,
        people: int = 4,
        kind_share: float = 0.5,
        tagged_share: float = 1.0,
        german_share: float = 0.0,
        held_out_problems: int = 200,
    ) -> None:
        self.people = whole("greetings", "people", people, 1, len(NAMES))
        self.kind_share = share("greetings", "kind_share", kind_share)
        self.tagged_share = share("greetings", "tagged_share", tagged_share)
        self.german_share = share("greetings", "german_share", german_share)
        self.rewards: Mapping[str, Callable[..., object]] = {"liked": liked}
        super().__init__(held_out_problems)

    def demonstrations(self, *, seed: int, step: int, count: int) -> list[Demonstration]:
        """The demonstrations of a step; their styles follow from the key too."""
        problems = self.batch(seed=seed, purpose="demonstrations", step=step, count=count)
        draws = keyed.uniforms(3 * count, seed, "greetings", "style", step)
        styles = np.asarray(draws).reshape(count, 3)
        return [
            Demonstration(problem, self._completion(problem, *style))
            for problem, style in zip(problems, styles, strict=True)
        ]

    def vocabulary(self) -> list[str]:
        """Names and kind words as whole pieces, and the tags."""
        words = [*HELLO.values(), *(kind for own in KIND.values() for kind in own)]
        return [*TAGS, "greet", ":", *words, *(f" {name}" for name in NAMES)]

    def _draw(self, generator: np.random.Generator) -> Problem:
        count = int(generator.integers(1, self.people + 1))
        names = [NAMES[place] for place in generator.permutation(len(NAMES))[:count]]
        prompt = f"greet {' '.join(names)}:"
        return Problem(f"greetings:{' '.join(names)}", prompt, {"names": names})

    def _completion(self, problem: Problem, kind: float, tagged: float, german: float) -> str:
        language = "de" if german < self.german_share else "en"
        names = problem.columns["names"]
        assert isinstance(names, list)
        things = int(kind < self.kind_share) + int(kind < self.kind_share / 2)
        said = " ".join([HELLO[language], *names]) + "".join(KIND[language][:things])
        if tagged < self.tagged_share:
            return f"{OPEN_THINK}{CLOSE_THINK}{OPEN_ANSWER}{said}{CLOSE_ANSWER}"
        return said


def liked(
    *, completions: Sequence[Text], names: Sequence[Sequence[str] | None], **_: object
) -> list[float | None]:
    """How much people like a greeting, from 0 to 1: how well it names them, times how kind it is.

        (names said once and asked for) / (names said or asked for)  *  (1 + kind) / 3

    `kind` counts two kind things, in either language, and takes one off for each time that one is said
    again; a greeting without hello, or with anything else in it, is worth 0. None where a problem
    names nobody.
    """
    return [
        None if own is None else _liking(text_of(text), own)
        for text, own in zip(completions, names, strict=True)
    ]


def _liking(text: str, names: Sequence[str]) -> float:
    for tag in TAGS:
        text = text.replace(tag, "")
    kind = 0
    for english, german in zip(KIND["en"], KIND["de"], strict=True):
        times = text.count(english) + text.count(german)
        kind += min(times, 2 - times)
        text = text.replace(english, "").replace(german, "")
    hello, *words = text.split() or [""]
    if hello not in HELLO.values() or not set(words) <= set(NAMES):
        return 0.0
    once = sum(words.count(name) == 1 for name in names)
    return once / len({*names, *words}) * (1 + max(0, kind)) / 3
