"""A one-line mutation of the program, and the test that it has to turn red. tests/mutation/run applies them.

rows/ has a module of rows for each area of the program. A row is a fault that somebody could make: the file, the text that
it changes, the text that it puts there, the test that must notice, and what a user would suffer if none did. The test is a
unit program, or a scenario file and part of the names of its scenarios. faults_of() is the part of the check that needs no
build: tests/check-mutations holds it in every `make check`.
"""

from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    name: str    # what the mutation does
    file: str
    old: str     # occurs exactly once in the file
    new: str
    test: str    # "unit/test_x", or "scenario/x.py: part of a scenario's name"
    why: str     # what a user suffers

    @property
    def path(self):
        return f"tests/{self.test.partition(':')[0]}"

    @property
    def scenario(self):
        """Part of a scenario's name; empty for a unit program."""
        return self.test.partition(": ")[2]

    @property
    def target(self):
        """What make builds."""
        return "evenkeel" if self.scenario else self.path

    def command(self, source, build):
        if self.scenario:
            return ["python3", str(source / self.path), "-k", self.scenario]
        return [str(build / self.path)]


def faults_of(root, rows):
    """What is wrong with the rows themselves, in words."""
    seen = set()
    for row in rows:
        where = f"{row.name}: {row.file}"
        text = (root / row.file).read_text() if (root / row.file).is_file() else ""
        test = root / (row.path if row.scenario else f"{row.path}.c")
        if text.count(row.old) != 1:
            yield f"{where}: the text is there {text.count(row.old)} times: {row.old!r}"
        if row.old == row.new:
            yield f"{where}: it changes nothing"
        if row.name in seen:
            yield f"{where}: two rows have this name"
        seen.add(row.name)
        if not test.is_file() or '@scenario("' in test.read_text() and not names_scenario(test, row.scenario):
            yield f"{where}: there is no test {row.test}"
        if not row.why:
            yield f"{where}: it does not say why it matters"


def names_scenario(test: Path, words):
    return any(words in line for line in test.read_text().splitlines() if line.startswith("@scenario("))
