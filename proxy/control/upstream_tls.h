/*
 * TLS towards upstreams on the control thread: logs failures, drops expired sessions.
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_CONTROL_UPSTREAM_TLS_H
#define EVENKEEL_PROXY_CONTROL_UPSTREAM_TLS_H

struct control;

/* Once a period of housekeeping. */
void upstream_tls_housekeeping(struct control *control);

#endif
