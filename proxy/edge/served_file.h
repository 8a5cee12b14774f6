/*
 * A file on its way to a client: found, opened, read and closed on the threads of a pool, so that no worker waits for a disk.
 *
 * One step is in progress at a time: the search, then reads, each of which ends in `ready`. Who has one lets it go at any time; what
 * is in progress ends by itself, even if the disk hangs for hours, and the file is closed on a thread of the pool too, because closing
 * may wait for a server. All of that needs nothing of its owner.
 *
 * Owns: itself, a descriptor of the bound, the buffer of one read (counted in the bound on buffers), a reference to the settings.
 * Thread: the worker's. Errors: enum served_result.
 */
#ifndef EVENKEEL_PROXY_EDGE_SERVED_FILE_H
#define EVENKEEL_PROXY_EDGE_SERVED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "proxy/edge/file_pace.h"
#include "proxy/edge/file_plan.h"
#include "proxy/edge/file_search.h"
#include "steady/task_pool.h"

struct worker;

/* Of one read. */
#define SERVED_READ_BYTES ((size_t)64 * 1024)
/* Read with the search, if the whole file is likely to be asked for. */
#define SERVED_FIRST_BYTES ((size_t)16 * 1024)

struct served_request {
    struct worker *worker;
    struct settings *settings;
    const struct file_settings *files; /* of `settings` */
    unsigned codings;
    unsigned client_slot; /* slow_client_slot() */
    bool ahead;           /* its first bytes are read at once */
    /* The step is over. The file may be let go. */
    void (*ready)(void *owner);
    void *owner;
};

enum served_step {
    SERVED_SEARCH,
    SERVED_READ,
    SERVED_REST, /* nothing is in progress */
    SERVED_CLOSE,
};

struct served_file {
    struct task task; /* first */
    struct served_request request;
    enum served_step step;
    enum file_search_result result; /* of the search */
    struct file_found found;
    struct file_plan plan; /* its owner's */
    struct file_pace pace; /* of its owner's client */
    char *data;            /* of the last read; NULL: none */
    size_t data_bytes;
    size_t held_bytes;   /* of memory for data */
    size_t wanted_bytes; /* of the read */
    uint64_t read_at;    /* where in the file */
    bool closes;         /* nothing is read afterwards */
    bool failed;         /* the disk has refused a read */
    struct file_path path;
};

enum served_result {
    SERVED_OK,
    SERVED_BUSY, /* too many wait for the disk */
    SERVED_NO_FD,
    SERVED_NO_MEMORY,
};

/* Begins to look for the path. Not OK: nothing has happened. */
__attribute__((warn_unused_result)) enum served_result served_file_search(
    const struct served_request *request, const struct file_path *path,
    struct served_file **ret_file);

/* Whether the search has brought bytes from the beginning of the file along. */
bool served_file_has_data(const struct served_file *file);
/* Begins to read these bytes, SERVED_READ_BYTES at most; `last`: and closes the file. */
__attribute__((warn_unused_result)) enum served_result served_file_read(struct served_file *file,
                                                                        struct file_range range,
                                                                        bool last);
/* The data of the last read is not needed any more. */
void served_file_drop_data(struct served_file *file);

/* The client has taken so much of the answer, and no more is read until it takes on. True: the answer has to end, because its client is slow
   and others need what it holds. */
__attribute__((warn_unused_result)) bool served_file_has_to_go(struct served_file *file,
                                                               uint64_t taken_bytes);
/* In any step; also from within `ready`. NULL is fine. */
void served_file_let_go(struct served_file **file);

#endif
