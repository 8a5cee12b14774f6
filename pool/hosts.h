/*
 * The hosts file, and localhost: names that are known without asking a server.
 *
 * Owns: the text of the file, read again when the file has changed. Thread: its owner's. Errors: a file that cannot be
 * read contains no names. Spec: hosts(5); RFC 6761 6.3 for localhost.
 */
#ifndef EVENKEEL_POOL_HOSTS_H
#define EVENKEEL_POOL_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "pool/dns_answer.h"
#include "pool/file_mark.h"

struct hosts {
    const char *path;
    struct file_mark mark;
    char *text; /* NULL: the file could not be read */
    size_t bytes;
};

/* Keeps the pointer to the path, not a copy. */
void hosts_init(struct hosts *hosts, const char *path);
void hosts_release(struct hosts *hosts);
/* Checks whether the file has changed. */
void hosts_refresh(struct hosts *hosts);
/* Finds the addresses of the type on all lines with the name. True: there are some. localhost and the names below it
   are the loopback addresses unless a line says otherwise. */
bool hosts_find(const struct hosts *hosts, const char *host, enum dns_type type,
                struct dns_records *ret_records);

#endif
