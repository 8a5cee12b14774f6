/*
 * A log file: opened, written, rotated, reopened, closed in one place each, so that no descriptor is ever left behind
 * (a rotation that leaked one kept hundreds of megabytes in the kernel in somebody's production).
 *
 * Owns one descriptor. Thread: the log thread, after log_file_open(). Errors: counted and remembered; lines are lost, the process
 * goes on, and the next write tries again.
 */
#ifndef EVENKEEL_PROXY_LOG_LOG_FILE_H
#define EVENKEEL_PROXY_LOG_LOG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct log_file {
    char *path;         /* NULL: off; "stderr" and "stdout" are not files and never rotated */
    int fd;             /* -1: closed */
    bool terminal;      /* stderr or stdout */
    uint64_t bytes;     /* in the file */
    uint64_t opened_ms; /* CLOCK_MONOTONIC */
    uint64_t rotate_size_bytes, rotate_age_ms, keep_count;
    uint64_t complained_ms;
    uint64_t written_bytes, write_errors, rotations;
};

/* False with errno when it cannot be opened; path NULL is fine (off). */
__attribute__((warn_unused_result)) bool log_file_open(struct log_file *file, const char *path,
                                                       uint64_t now_ms);
void log_file_close(struct log_file *file);
/* Opens what is at the path now; when that cannot be opened, the file that is open stays and is written on. */
void log_file_reopen(struct log_file *file, uint64_t now_ms);
/* Makes a file of this process's user that of another one, who is to open it again. True also for what needs no giving: no file,
   or the other's already. */
__attribute__((warn_unused_result)) bool log_file_give(struct log_file *file, uid_t user);
/* Writes whole lines; rotates before when it is time. */
void log_file_write(struct log_file *file, const char *bytes, size_t length, uint64_t now_ms);

#endif
