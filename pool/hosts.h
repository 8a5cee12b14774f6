/*
 * The hosts file, and localhost: names that are known without asking a server.
 *
 * Owns: the file's text, read anew when the file has changed. Thread: its owner's. Errors: a file that cannot be read has no
 * names. Spec: hosts(5); RFC 6761 6.3 for localhost.
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
    char *text; /* NULL: nothing is known */
    size_t bytes;
};

/* The path is only pointed to. */
void hosts_init(struct hosts *hosts, const char *path);
void hosts_release(struct hosts *hosts);
/* Looks whether the file has changed. */
void hosts_refresh(struct hosts *hosts);
/* The addresses of the type on all lines with the name; whether there are any. localhost and the names below it are the
 * loopback addresses where no line says otherwise. */
bool hosts_find(const struct hosts *hosts, const char *host, enum dns_type type,
                struct dns_records *ret_records);

#endif
