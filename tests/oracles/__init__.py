"""Numbers that others computed from the papers, and the functions of Cohort that must give them.

    python -m tests.oracles FILE

`cases.json` holds the cases. A function per case takes the inputs of its case and the fixture that
they name, calls `cohort.objective`, and returns what the case expects, by the same keys. It never
sees what is expected, so a file with other numbers, shapes and masks for the same ids is as good.
"""
