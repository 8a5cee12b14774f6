"""What -t says of typical mistakes is kind: where it is, what was expected, and what to write.

mistakes/*.conf has one mistake each, mistakes/said.txt what is said of them. With EVENKEEL_WRITE=1 the latter is written anew; read it as
somebody would who has just made the mistake.
"""

import difflib
import glob
import os

from harness import check, check_equal, run, run_program, scenario

FOLDER = os.path.join(os.environ["top_srcdir"], "tests/scenario/mistakes")


def said_of(s, path):
    name = os.path.basename(path)
    with open(path) as file:
        text = file.read()
    s.write(name, text)
    done = run_program(s, "-t", "-c", name)
    check_equal(done.returncode, 1, f"exit code for {name}")
    errors = [row.removeprefix("evenkeel: ") for row in done.stderr.splitlines() if ": error: " in row]
    check_equal(len(errors), 1, f"number of errors for {name}, which has one mistake:\n{done.stderr}")
    check(": warning: " not in done.stderr, f"something is said of {name} that follows from its mistake:\n{done.stderr}")
    return f"---- {name}\n{text}\n{errors[0]}\n\n"


@scenario("what is said of a typical mistake has changed, or is said of more than the mistake")
def mistakes(s):
    paths = sorted(glob.glob(f"{FOLDER}/*.conf"))
    check(len(paths) >= 40, f"only {len(paths)} mistakes")
    said = "".join(said_of(s, path) for path in paths)
    if os.environ.get("EVENKEEL_WRITE"):
        with open(f"{FOLDER}/said.txt", "w") as file:
            file.write(said)
    with open(f"{FOLDER}/said.txt") as file:
        wanted = file.read()
    check(said == wanted, "".join(difflib.unified_diff(wanted.splitlines(True), said.splitlines(True), "said.txt", "now")))


run()
