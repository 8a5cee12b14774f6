/*
 * Where a log goes: a file, a pipe, a device or a socket; opened, written, rotated, reopened and closed in one place each, so that no
 * descriptor is ever left behind.
 *
 * Nothing here waits for a reader. A regular file takes what the disk takes; of everything else poll() is asked first, and at most
 * PIPE_BUF bytes are written at a time, so that a descriptor shared with others (standard output), which must not be made
 * non-blocking under their hands, does not block either.
 *
 * Owns one descriptor and the path. Thread: log_file_open() any, from then on one. Time base: CLOCK_MONOTONIC in milliseconds. Errors: false or
 * LOG_FILE_FAILED with errno.
 */
#ifndef EVENKEEL_PROXY_LOG_LOG_FILE_H
#define EVENKEEL_PROXY_LOG_LOG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/settings.h"

enum log_file_kind {
    LOG_FILE_OFF,     /* nothing is open: what is written is gone */
    LOG_FILE_REGULAR, /* the only kind that is rotated */
    LOG_FILE_STREAM,  /* a pipe, a terminal or another device */
    LOG_FILE_SOCKET,
};

enum log_file_result {
    LOG_FILE_OK,
    LOG_FILE_BUSY,   /* takes nothing now: poll() tells when it does */
    LOG_FILE_FAILED, /* errno says why */
};

struct log_file {
    char *path;
    int fd; /* -1: off, or a FIFO that nobody reads */
    enum log_file_kind kind;
    bool standard;      /* "stderr" or "stdout": never opened again, closed or rotated */
    uint64_t bytes;     /* in a regular file */
    uint64_t opened_ms; /* or last found to be impossible to rotate */
    struct rotation_settings rotation; /* a size of 0: it is not rotated */
};

/* A path of NULL is off. A FIFO that nobody reads is no error: it is opened again when something is written. */
__attribute__((warn_unused_result)) bool log_file_open(struct log_file *file, const char *path,
                                                       uint64_t now_ms);
void log_file_close(struct log_file *file);
/* Only the path, for log_file_inherit(). */
__attribute__((warn_unused_result)) bool log_file_name(struct log_file *file, const char *path);
/* Takes over what another one has open, if it was only named; else closes that. */
void log_file_inherit(struct log_file *file, struct log_file *from);
/* Opens the path anew. When that fails what was open stays open. */
__attribute__((warn_unused_result)) bool log_file_reopen(struct log_file *file, uint64_t now_ms);

/* Makes a file of this process's user that of another one, who is to open it again. True also for what needs no giving: no file,
   or the other's already. */
__attribute__((warn_unused_result)) bool log_file_give(struct log_file *file, uid_t user);

/* Writes as much as is taken at once, at most `length`. */
__attribute__((warn_unused_result)) enum log_file_result log_file_write(
    struct log_file *file, const char *bytes, size_t length, uint64_t now_ms, size_t *ret_written);

/* Whether the file has to be rotated before so many bytes more. */
bool log_file_due(const struct log_file *file, size_t bytes, uint64_t now_ms);
/* Renames the files and opens the path anew; *ret_rotated is false if another process had done it and only the new file was opened.
   After a failure the file is written on as it is and is due again after its age. */
__attribute__((warn_unused_result)) bool log_file_rotate(struct log_file *file, uint64_t now_ms,
                                                         bool *ret_rotated);

#endif
