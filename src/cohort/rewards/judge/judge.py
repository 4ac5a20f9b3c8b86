"""A language model judges the answers by a rubric, over an OpenAI-compatible service.

Before it is asked: the thinking is cut off, and what says nothing is worth 0 by rule. When it is
asked: temperature 0, everything untrusted in one data block, the verdict as JSON with the block's
nonce. Afterwards: what is no verdict is a failure and never a number. Two checks of the judge itself
can be had: the same question in another order, and answers known to be bad.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cohort.errors import RewardError
from cohort.rewards.asked import Journal, MemoryJournal
from cohort.rewards.judge.prompt import Form, Question, as_text
from cohort.rewards.judge.trivial import is_trivial
from cohort.rewards.judge.verdict import reply_in, verdict_in
from cohort.rewards.outcome import Failed, Outcome, Scored, Unscorable
from cohort.rewards.reading import CLOSE_THINK, OPEN_THINK, Text, texts
from cohort.rewards.services.address import destination
from cohort.rewards.services.asking import Patience, Service, share
from cohort.rewards.services.secret import key_from

MOST_CHARACTERS = 40_000
"""Of an answer; about ten thousand tokens of a judge's context."""
MOST_RUBRIC_BYTES = 1 << 16
ALARM = "the judge takes a known bad answer for a good one"


async def judge(  # noqa: PLR0913  # the parameters of a reward are its options
    *,
    completions: Sequence[Text],
    prompts: Sequence[Text] | None = None,
    url: str = "",
    model: str = "",
    rubric: str = "",
    rubric_file: str = "",
    key_variable: str = "",
    reference: str = "",
    points: int = 0,
    agreement: float = 0.0,
    canaries: float = 0.0,
    canary: str = "I do not know.",
    structured: bool = True,
    most_tokens: int = 2048,
    deadline_seconds: float = 60.0,
    attempt_seconds: float = 30.0,
    retry_budget: int = 20,
    concurrency: int = 8,
    journal: Journal | None = None,
    **columns: Sequence[object],
) -> list[Outcome]:
    """1.0 where the judge says pass, 0.0 where it says fail; with `points` its points over the most.

    url: ends before `/chat/completions`. reference: the column with the right answer, which the judge
    sees. agreement: the share of answers that are asked about in both orders. canaries: the share with
    which `canary` is asked about too. The rest: see Form and Patience. Raises RewardError.
    """
    patience = Patience(
        deadline_seconds=deadline_seconds, attempt_seconds=attempt_seconds,
        retry_budget=retry_budget, concurrency=concurrency,
    )  # fmt: skip
    form = Form(
        model=model, rubric=_rubric(rubric, rubric_file), points=points, structured=structured,
        most_tokens=most_tokens,
    )  # fmt: skip
    trial = Trial(form, agreement=agreement, canaries=canaries, canary=canary)
    to = destination(url, "/chat/completions")
    service = Service(to, key_from(key_variable), patience, journal or MemoryJournal())
    references = _references(reference, columns, len(completions))
    return await trial.outcomes(service, prompts, completions, references)


@dataclass(frozen=True, slots=True)
class Trial:
    """How answers are judged, and how the judge is watched."""

    form: Form
    agreement: float = field(default=0.0, kw_only=True)
    canaries: float = field(default=0.0, kw_only=True)
    canary: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        form = self.form
        if not isinstance(form.model, str) or not form.model:
            raise RewardError(
                "the judge has no model", 'name it as its service does: model = "..."'
            )
        for name, count, least in (
            ("points", form.points, 0),
            ("most_tokens", form.most_tokens, 1),
        ):
            if type(count) is not int or count < least:
                raise RewardError(f"{name} of the judge is {count!r:.40}", f"it is {least} or more")
        for name, part in (("agreement", self.agreement), ("canaries", self.canaries)):
            if not isinstance(part, (int, float)) or not 0 <= part <= 1:
                raise RewardError(f"{name} of the judge is {part!r:.40}", "a share is from 0 to 1")

    async def outcomes(
        self,
        service: Service,
        prompts: Sequence[Text] | None,
        completions: Sequence[Text],
        references: Sequence[str],
    ) -> list[Outcome]:
        """What becomes of every completion; every question is asked in one go."""
        answers = [_without_thinking(text) for text in texts(prompts, completions)]
        problems = ["" for _ in answers] if prompts is None else [as_text(p) for p in prompts]
        outcomes = [_by_rule(a, r) for a, r in zip(answers, references, strict=True)]
        open_ones = [n for n, outcome in enumerate(outcomes) if outcome is None]
        asked = {n: self._questions(problems[n], answers[n], references[n]) for n in open_ones}
        every = [question for questions in asked.values() for question in questions.values()]
        replies = await service.answers([question.body for question in every], reply_in)
        verdicts = {
            question.body: reply
            if isinstance(reply, Failed)
            else verdict_in(reply, question.nonce, self.form.points)
            for question, reply in zip(every, replies, strict=True)
        }
        said = {n: {k: verdicts[q.body] for k, q in asked[n].items()} for n in open_ones}
        if any(self._is_alarm(verdicts.get("canary")) for verdicts in said.values()):
            said = {n: {"verdict": Failed("invalid", ALARM)} for n in open_ones}
        return [self._together(said[n]) if own is None else own for n, own in enumerate(outcomes)]

    def _questions(self, problem: str, answer: str, reference: str) -> dict[str, Question]:
        """What is asked about one answer. Which checks it has depends on the question alone."""
        first = self.form.question(problem, answer, reference)
        questions = {"verdict": first}
        if share(first.nonce, "agreement") < self.agreement:
            questions["turned"] = self.form.question(problem, answer, reference, turned=True)
        if share(first.nonce, "canary") < self.canaries:
            questions["canary"] = self.form.question(problem, self.canary, reference)
        return questions

    def _is_alarm(self, verdict: float | Failed | None) -> bool:
        return isinstance(verdict, float) and verdict > 0.5

    def _together(self, verdicts: Mapping[str, float | Failed]) -> Outcome:
        """One outcome of a verdict, and of the one in the other order where it was asked for."""
        said = [verdicts[name] for name in ("verdict", "turned") if name in verdicts]
        for verdict in said:
            if isinstance(verdict, Failed):
                return verdict
        values = [verdict for verdict in said if isinstance(verdict, float)]
        nearest = 1.0 / self.form.points if self.form.points else 0.0
        if max(values) - min(values) > nearest + 1e-9:
            return Unscorable("the judge says otherwise when asked in another order")
        return Scored(sum(values) / len(values))


def _by_rule(answer: str, reference: str) -> Outcome | None:
    """What is settled without a judge; None where one is needed."""
    if len(answer) > MOST_CHARACTERS:
        reason = f"the answer has {len(answer):,} characters, a judge reads {MOST_CHARACTERS:,}"
        return Unscorable(reason)
    return Scored(0.0) if is_trivial(answer, reference) else None


def _without_thinking(text: str) -> str:
    """What follows the thinking; nothing where it never ends."""
    after = text.rpartition(CLOSE_THINK)[2]
    return "" if OPEN_THINK in after else after.strip()


def _references(column: str, columns: Mapping[str, Sequence[object]], count: int) -> Sequence[str]:
    if not column:
        return [""] * count
    if column not in columns:
        there = ", ".join(columns) or "none"
        raise RewardError(
            f"the judge's reference is the column {column!r:.60}; there are {there:.200}",
            "name a column of the problems, or none",
        )
    return ["" if gold is None else str(gold) for gold in columns[column]]


def _rubric(text: str, file: str) -> str:
    if bool(text) == bool(file):
        raise RewardError(
            "the judge has no rubric" if not text else "the judge has two rubrics",
            "give rubric, its text, or rubric_file, a file with it",
        )
    if file:
        try:
            with Path(file).open("rb") as opened:
                text = opened.read(MOST_RUBRIC_BYTES + 1).decode()
        except (OSError, ValueError) as error:
            raise RewardError(f"the rubric {file!r:.200} cannot be read: {error}") from error
    if not text.strip() or len(text.encode()) > MOST_RUBRIC_BYTES:
        raise RewardError(
            f"the rubric has {len(text.encode()):,} bytes",
            f"a rubric is a text of at most {MOST_RUBRIC_BYTES:,} bytes",
        )
    return text
