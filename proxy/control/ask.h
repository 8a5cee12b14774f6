/*
 * Asking a running process: `--ask`, for health checks of containers, and where there is no HTTP client.
 *
 * Owns nothing. Thread: main of a process of its own, which may wait, for ASK_WAIT_S at a time. Spec: HTTP/1.0 with Host.
 */
#ifndef EVENKEEL_PROXY_CONTROL_ASK_H
#define EVENKEEL_PROXY_CONTROL_ASK_H

#include <stdbool.h>

#include "conf/settings.h"

/* Gets a page of the admin listener and prints its body. True: it was answered with a status of success; else stderr says what was
   wrong. */
__attribute__((warn_unused_result)) bool ask_print(const struct admin_settings *admin,
                                                   const char *page);

#endif
