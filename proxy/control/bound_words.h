/*
 * What it means that a bound refuses, and what helps: a row for each bound whose refusals are worth a line in the log.
 *
 * Owns nothing. Thread: any.
 */
#ifndef EVENKEEL_PROXY_CONTROL_BOUND_WORDS_H
#define EVENKEEL_PROXY_CONTROL_BOUND_WORDS_H

/* Columns: name, cause, remedy. Bounds without a row: those that degrade silently by design, and the logs, which speak for themselves. */
#define BOUND_WORDS(X)                                                                         \
    X("clients", "new clients are answered 503",                                               \
      "raise limits.clients, or lower timeouts.idle of the listener")                          \
    X("handshakes", "clients with TLS are closed", "raise limits.handshakes, or add workers")  \
    X("exchanges", "requests are answered 503", "raise limits.clients")                        \
    X("buffers_bytes", "no memory for bodies: connections are closed",                         \
      "raise limits.memory, or lower limits.clients")                                          \
    X("replay_bytes", "bodies are not kept, so that their requests cannot be repeated",        \
      "raise limits.memory")                                                                   \
    X("request_buffer_bytes", "bodies are not taken in whole (buffer_request)",                \
      "raise limits.memory")                                                                   \
    X("compress_bytes", "responses are sent without compression",                              \
      "raise limits.memory, or lower compress.level")                                          \
    X("fds", "requests fail for want of a file descriptor",                                    \
      "raise the limit of the process (LimitNOFILE, ulimit -n)")                               \
    X("file_tasks", "requests for files are answered 503",                                     \
      "look whether the disk of files.root hangs")                                             \
    X("upstream_queued", "requests are answered 503: they come faster than they are answered", \
      "add endpoints, or raise limits.queue, limits.queue_wait or limits.in_flight of the "    \
      "upstream")                                                                              \
    X("shard_queued", "requests of a tenant are answered 503",                                 \
      "raise queue or in_flight of routes.shards, or look who asks so much")                   \
    X("dns_names", "names are not resolved", "use fewer names")                                \
    X("upstreams", "a reload is rejected",                                                     \
      "wait until connections of earlier upstreams have ended")                                \
    X("endpoints", "addresses are not used", "use fewer endpoints")

#endif
