/*
 * The two servers of the demo: real HTTP servers (evhttp) on a thread of their own, on free ports of 127.0.0.1.
 *
 * They answer with their name; /slow takes a second, /fail answers 500, /break cuts the response short. Owns: the
 * thread and its sockets, and a certificate in memory that is made at the start. Thread: started and stopped by main; serves on its own.
 */
#ifndef EVENKEEL_PROXY_CONTROL_DEMO_H
#define EVENKEEL_PROXY_CONTROL_DEMO_H

#include <stddef.h>
#include <stdint.h>

#include "steady/enum_names.h"

struct demo;

#define DEMO_RESULTS(X)                                 \
    X(DEMO_OK, "ok")                                    \
    X(DEMO_CANNOT_BIND, "cannot bind")                  \
    X(DEMO_NO_THREAD, "cannot start a thread")          \
    X(DEMO_NO_CERTIFICATE, "cannot make a certificate") \
    X(DEMO_NO_MEMORY, "no memory")
enum demo_result { ENUM_VALUES(DEMO_RESULTS) };
const char *demo_result_name(enum demo_result value);

__attribute__((warn_unused_result)) enum demo_result demo_create(struct demo **ret_demo);
void demo_free(struct demo **demo);

/* On 127.0.0.1. */
struct demo_ports {
    uint16_t web, admin, secure;
};

/* The configuration that puts the proxy in front of the backends on these ports, written into text (terminated). Its certificate is valid
   as long as the demo. Returns the length needed. */
size_t demo_configuration(const struct demo *demo, const struct demo_ports *ports, char *text,
                          size_t text_bytes);
/* Prints on the terminal what to try. */
void demo_print_welcome(const struct demo_ports *ports);

#endif
