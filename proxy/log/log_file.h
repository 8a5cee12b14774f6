/*
 * Where a log goes: a file, a pipe, a device or a socket. Opening, writing, rotating, reopening and closing are in one
 * place each, so that no descriptor is left open.
 *
 * Nothing here waits for a reader. A regular file takes what the disk takes. For everything else poll() is asked
 * first, and at most PIPE_BUF bytes are written at a time: a descriptor that is shared with other processes (standard
 * output) must not be made non-blocking, and must not block either.
 *
 * Owns one descriptor and the path. Thread: log_file_open() any, from then on one. Time base: CLOCK_MONOTONIC in
 * milliseconds. Errors: false or LOG_FILE_FAILED with errno.
 */
#ifndef EVENKEEL_PROXY_LOG_LOG_FILE_H
#define EVENKEEL_PROXY_LOG_LOG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/settings.h"

enum log_file_kind {
    LOG_FILE_OFF,     /* nothing is open: what is written is dropped */
    LOG_FILE_REGULAR, /* the only kind that is rotated */
    LOG_FILE_STREAM,  /* a pipe, a terminal or another device */
    LOG_FILE_SOCKET,
};

enum log_file_result {
    LOG_FILE_OK,
    LOG_FILE_BUSY,   /* takes nothing now: poll() tells when it does */
    LOG_FILE_FAILED, /* errno says why */
};

/* Which file is open, under whatever name. */
struct log_file_id {
    dev_t device;
    ino_t inode;
};

static inline bool log_file_id_equal(const struct log_file_id *a, const struct log_file_id *b)
{
    return a->device == b->device && a->inode == b->inode;
}

struct log_file {
    char *path;
    int fd;                /* -1: off, or a FIFO without a reader */
    struct log_file_id id; /* of the file that was opened last */
    enum log_file_kind kind;
    bool standard;      /* "stderr" or "stdout": never opened again, closed or rotated */
    uint64_t bytes;     /* in a regular file */
    uint64_t opened_ms; /* time of opening, or of the last failed rotation */
    struct rotation_settings rotation; /* a size of 0: it is not rotated */
};

/* A path of NULL is off. A FIFO without a reader is no error: it is opened again when something is written. */
__attribute__((warn_unused_result)) bool log_file_open(struct log_file *file, const char *path,
                                                       uint64_t now_ms);
void log_file_close(struct log_file *file);
/* Only the path, for log_file_inherit(). */
__attribute__((warn_unused_result)) bool log_file_name(struct log_file *file, const char *path);
/* Takes over the open file of another log, if this one only has a path. */
void log_file_inherit(struct log_file *file, struct log_file *from);
/* Reopens the path. If that fails the open file stays open. */
__attribute__((warn_unused_result)) bool log_file_reopen(struct log_file *file, uint64_t now_ms);

/* Gives a file of this process's user to another user, who will reopen it. True also if there is nothing to give: no
   file, or it is already the other's. */
__attribute__((warn_unused_result)) bool log_file_give(struct log_file *file, uid_t user);

/* Writes as much as is taken at once, at most `length`. */
__attribute__((warn_unused_result)) enum log_file_result log_file_write(
    struct log_file *file, const char *bytes, size_t length, uint64_t now_ms, size_t *ret_written);

/* Whether the file is rotated at all. */
bool log_file_rotates(const struct log_file *file);
/* Whether the file has to be rotated before so many bytes more. */
bool log_file_due(const struct log_file *file, size_t bytes, uint64_t now_ms);
/* Renames the files and opens the path anew; *ret_rotated is false if another process had done it and only the new file was opened.
   After a failure the file is written on as it is and is due again after its age. */
__attribute__((warn_unused_result)) bool log_file_rotate(struct log_file *file, uint64_t now_ms,
                                                         bool *ret_rotated);

#endif
