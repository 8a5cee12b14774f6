"""How a process ended, in words that show the cause: its status or signal, and the head of what a sanitizer had to report."""

import re
import signal

_REPORT = re.compile(r"ERROR: \w*Sanitizer|WARNING: ThreadSanitizer|runtime error:|LeakSanitizer")
_LINES_SHOWN = 60


def sanitizer_report(log):
    """The head of the first report in a log; empty without one."""
    lines = log.splitlines()
    first = next((number for number, line in enumerate(lines) if _REPORT.search(line)), len(lines))
    return "\n".join(lines[first:first + _LINES_SHOWN])


def describe_exit(code):
    """Of an exit code as subprocess has them: below zero is a signal."""
    if code >= 0:
        return f"exited with {code}"
    return f"was ended by {signal.Signals(-code).name if -code in set(signal.Signals) else f'signal {-code}'}"


def describe_end(process):
    """Of a Process that has ended, or reports what a sanitizer found; empty if neither."""
    code, report = process.exit_code, sanitizer_report(process.log())
    said = [] if code is None else [f"{process.name} {describe_exit(code)}"]
    if report:
        said += [f"{process.name}: sanitizer report:", report]
    return "\n".join(said)
