"""What became of the mutants, told as it becomes known, and whether it is enough."""

from __future__ import annotations

from collections.abc import Mapping

from tests.mutants.judge import Fate
from tests.mutants.plant import Mutant

LEAST_OF_ALL, LEAST_OF_A_FILE = 0.95, 0.80

Fates = Mapping[Mutant, Fate]


class Report:
    """Collects fates file by file; `complaints` is what is wrong with them."""

    def __init__(self, equivalent: Mapping[str, str]) -> None:
        self.equivalent = equivalent
        self.fates: dict[Mutant, Fate] = {}
        self.complaints: list[str] = []

    def add(self, file: str, fates: Fates) -> None:
        """Prints the survivors of a file, and its numbers."""
        self.fates |= fates
        for mutant, fate in fates.items():
            if not fate.noticed:
                print(f"{self._word(mutant)}  {mutant}")
        if fates:
            print(f"{file}: {counted(self._wrong(fates))}", flush=True)
        self._judge(file, fates)

    def _judge(self, file: str, fates: Fates) -> None:
        for name in self.equivalent:
            named = [mutant for mutant in fates if mutant.name == name]
            if any(fates[mutant].noticed for mutant in named):
                self.complaints.append(f"declared equivalent, but a test notices: {name}")
            if not named and name.startswith(f"{file} "):
                self.complaints.append(f"declared equivalent, but there is no: {name}")
        if share(self._wrong(fates)) < LEAST_OF_A_FILE:
            self.complaints.append(f"{file}: below {LEAST_OF_A_FILE:.0%}")

    def finish(self, seconds: float) -> None:
        """Prints the total, and every complaint."""
        wrong = self._wrong(self.fates)
        others = len(self.fates) - len(wrong)
        numbers = f"{counted(wrong)}, {share(wrong):.1%}; {others} equivalent"
        print(f"total: {numbers}; {seconds:.0f} seconds")
        if share(wrong) < LEAST_OF_ALL:
            self.complaints.append(f"below {LEAST_OF_ALL:.0%}")
        for complaint in self.complaints:
            print(complaint)

    def lines(self) -> str:
        """Every mutant with its fate, a line each."""
        return "".join(f"{self._word(mutant)}  {mutant}\n" for mutant in self.fates)

    def _wrong(self, fates: Fates) -> Fates:
        """Without those that are declared to be no wrong."""
        return {m: fate for m, fate in fates.items() if m.name not in self.equivalent}

    def _word(self, mutant: Mutant) -> str:
        fate = self.fates[mutant]
        declared = mutant.name in self.equivalent and not fate.noticed
        return "equivalent" if declared else fate.value


def share(fates: Fates) -> float:
    """Of these mutants those that were noticed; 1 if there are none."""
    return sum(fate.noticed for fate in fates.values()) / len(fates) if fates else 1.0


def counted(fates: Fates) -> str:
    """How many were tried and killed, and how many of these by a test run that took too long."""
    killed = sum(fate.noticed for fate in fates.values())
    late = sum(fate is Fate.TIMEOUT for fate in fates.values())
    text = f"{len(fates)} tried, {killed} killed"
    return text + (f" ({late} by taking too long)" if late else "")
