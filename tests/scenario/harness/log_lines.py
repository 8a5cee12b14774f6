"""What a log file holds while the proxy writes it."""

import contextlib
import json


def log_lines(path):
    """The whole lines of a log: what follows the last line end is still being written. A file that is not there has none."""
    text = ""
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()  # once: line after line would show the end of a line, that comes meanwhile, as one of its own
    return text[:text.rfind("\n") + 1].splitlines()


def access_rows(path):
    """The lines of a JSON access log, parsed."""
    return [json.loads(line) for line in log_lines(path)]
