/*
 * Reload: from a file to a live generation, or nothing at all.
 *
 * Owns: generations and listeners (in struct control). Thread: control. Steps: have the file read and checked (config_read.h); wait for the
 * addresses of new names, for a limited time; open listeners on new addresses; open the connections of new upstreams
 * (prewarm.h); then give the generation to every worker; when all have adopted it, free the previous one. Each step
 * before the change-over can fail, and then nothing has changed.
 */
#ifndef EVENKEEL_PROXY_CONTROL_RELOAD_H
#define EVENKEEL_PROXY_CONTROL_RELOAD_H

#include <stdbool.h>
#include <stddef.h>

struct control;
struct generation;
struct settings;

/* Builds the first generation, from control->generations.settings, before the workers run. */
__attribute__((warn_unused_result)) bool reload_first(struct control *control);
/* SIGHUP, POST /reload: reloads now, or as soon as the last reload is over. Returns why it does not; NULL: it does. */
const char *reload_request(struct control *control);
/* control->generations.coming has its names, or has waited long enough. */
void reload_go_on(struct control *control);
/* The generation has been built, checked and warmed: it is the current one from now on. Takes both over. */
void reload_swap(struct control *control, struct generation *generation, struct settings *settings);
/* Whether there is a generation, none is on its way to the workers, and none waits for its names or its connections. */
bool reload_settled(const struct control *control);
/* Addresses of names have changed: the current settings with other endpoints, which is not a reload. False: no memory. */
__attribute__((warn_unused_result)) bool reload_names(struct control *control);
/* Files of TLS have changed: the current settings with what tls_watch.h has read, which is not a reload either. Only when
   reload_settled(). False: `why` says why not. */
__attribute__((warn_unused_result)) bool reload_refresh(struct control *control, char *why,
                                                        size_t why_bytes);
/* Called a few times a second: frees what has drained, begins a reload that waits. */
void reload_housekeeping(struct control *control);
/* The process drains, and workers are about to leave their listeners, of which no other process serves a socket. */
void reload_hush_listeners(struct control *control);
/* The process drains, and no worker listens any more: closes the sockets, so that clients go elsewhere. */
void reload_close_listeners(struct control *control);
/* To be called after the workers are gone. */
void reload_free(struct control *control);

#endif
