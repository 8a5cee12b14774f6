"""Logs, traces and snapshots."""

from row import Row

ROWS = (
    Row("a line may be torn by a full ring", "proxy/log/log_ring.c",
        "    if (bytes > ring->capacity - (size_t)(head - tail)) {\n        return false;\n    }\n", "",
        "unit/test_log", "access lines that do not parse"),
    Row("a FIFO is rotated", "proxy/log/log_file.c",
        "return file->kind == LOG_FILE_REGULAR && !file->standard && file->rotation",
        "return !file->standard && file->rotation",
        "scenario/log_sinks.py: rotation renames a FIFO", "a log collector loses its pipe"),
    Row("a pipe gets parts of lines", "proxy/log/log_file.c",
        "    length = piece_of(bytes, length);\n", "",
        "unit/test_log", "lines of several processes mix"),
    Row("a log that was opened anew in vain is closed", "proxy/log/log_file.c",
        "        file->fd = old_fd;\n        return false;", "        return false;",
        "unit/test_log", "no line is written any more"),
    Row("a snapshot tells the query of a request", "proxy/exchange/exchange_sample.c",
        "while (bytes < target.bytes && text[bytes] != '?' && text[bytes] != '#') {", "while (bytes < target.bytes) {",
        "scenario/snapshot.py: its stage is another", "a bug report carries the tokens of users"),
    Row("a snapshot waits for a worker that hangs", "proxy/control/snapshots.c",
        "    event_add(control->workers.snapshots->timer, &wait);", "    event_add(control->workers.snapshots->timer, &(struct timeval){.tv_sec = 3600});",
        "scenario/snapshot.py: a worker that hangs", "there is no snapshot just when it is needed"),
    Row("anybody decides what is traced", "proxy/trace/sampler.h",
        "(settings->parent == TRACE_PARENT_TRUSTED && trusted);", "settings->parent == TRACE_PARENT_TRUSTED;",
        "unit/test_span", "one client has all of its requests traced, and the collector is full of them"),
)
