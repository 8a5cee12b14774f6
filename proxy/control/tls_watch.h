/*
 * Renewed certificates: the files that TLS of the present settings was read from are watched, and what has changed is
 * read and used without a signal.
 *
 * Owns: marks of the files, a reference to the settings, TLS of listeners that was read anew and is not in use yet.
 * Thread: control. Time base: CLOCK_MONOTONIC, ms.
 *
 * Each listener with TLS, and each upstream whose TLS reads files, is judged for itself. A change is taken once no file
 * of its has moved from one look to the next, so that a pair which is being written is rarely read half way; if it is read half
 * way all the same, the key does not fit the certificate, TLS from before stays in use, and the files are tried again. A disk that
 * hangs stops tasks of a pool, not this thread: files are read here only after a task has read them through. What is taken gets into use like changed addresses of names do: with the present settings, whatever
 * the configuration file says by now.
 */
#ifndef EVENKEEL_PROXY_CONTROL_TLS_WATCH_H
#define EVENKEEL_PROXY_CONTROL_TLS_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct control;
struct settings;
struct tls_server;
struct tls_watch;

/* Begins to look at the files of a reload, by tasks that read them through. */
void tls_watch_begin(struct control *control, struct settings *settings);
/* Whether it is still looked at them, until names_on_files() at the latest at *ret_until_ms, when a disk is taken to hang. */
bool tls_watch_waits(struct control *control, uint64_t *ret_until_ms);
/* The watch for a generation, to be called before the files are read: from then on changes are seen. At the start it looks at them at
   once. NULL: `why`, such as a disk that hangs. */
struct tls_watch *tls_watch_take(struct control *control, struct settings *settings, char *why,
                                 size_t why_bytes);
/* NULL is fine, for all of these. */
void tls_watch_free(struct tls_watch **watch);
/* TLS of a listener that was read anew; NULL: it is as it was. Not held for the caller. */
struct tls_server *tls_watch_fresh(const struct tls_watch *watch, size_t listener_number);
/* Once a period of housekeeping. */
void tls_watch_step(struct control *control);

#endif
