"""What an anchor is shown: every answer, not the question, and a fair share of what is long."""

from __future__ import annotations

from cohort.rewards.teacher.prompts import CUT, Wording, fair_share, filled, shared_out

SENTINEL = "zebra-question"


class Words:
    def count(self, text: str) -> int:
        return len(text.split())

    def end(self, text: str, length: int) -> str:
        return " ".join(text.split()[-length:])


def asked(answers: list[str], budget: int = 1000, **options: object) -> str:
    wording = Wording(**options)
    text = wording.synthesis(wording.bare(answers), SENTINEL, Words(), budget)
    assert text is not None
    return text


def test_every_answer_is_shown_and_the_question_is_not() -> None:
    text = asked(["first {number}", "second {text}", "third"])
    assert all(own in text for own in ("first {number}", "second {text}", "third"))
    assert SENTINEL not in text


def test_the_question_is_shown_where_that_is_asked_for() -> None:
    assert asked(["one"], include_question=True).count(SENTINEL) == 1
    own = asked(["one"], template="{question}: {candidates}", candidate="{text};")
    assert own == f"{SENTINEL}: one;"


def test_what_of_an_answer_is_shown_can_be_chosen() -> None:
    answer = "<think>long thought</think>so <answer>4</answer>"
    form = {"template": "{candidates}", "candidate": "{text}"}
    assert asked([answer], **form) == answer
    assert asked([answer], shown="after-thinking", **form) == "so <answer>4</answer>"
    assert asked([answer, "nothing"], shown="answer", **form) == "4"


def test_what_short_answers_leave_is_shared_by_the_long_ones() -> None:
    assert fair_share([10, 50, 100], 90) == 40
    assert fair_share([10, 20, 30], 60) == 30
    assert fair_share([10, 20, 30], 59) == 29
    assert fair_share([], 5) == 0


def test_a_long_answer_keeps_its_end_and_says_that_it_was_cut() -> None:
    long = " ".join(f"w{n}" for n in range(100))
    short, cut = shared_out(["a b", long], Words(), 32)
    assert short == "a b"
    assert cut == CUT + " ".join(f"w{n}" for n in range(71, 100))
    assert Words().count(cut) == 30


def test_where_hardly_anything_could_be_shown_nobody_is_asked() -> None:
    assert shared_out(["w " * 100] * 8, Words(), 40) == []
    assert Wording().synthesis([], "q", Words(), 100) is None


def test_braces_of_an_answer_are_no_places() -> None:
    assert filled("{a}{b}{c}", a="{b}", b="{a}") == "{b}{a}{c}"
