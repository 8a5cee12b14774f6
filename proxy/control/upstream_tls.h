/*
 * TLS towards upstreams, as the control thread sees it: failures said in the log, sessions that are over dropped.
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_CONTROL_UPSTREAM_TLS_H
#define EVENKEEL_PROXY_CONTROL_UPSTREAM_TLS_H

struct control;

/* Once a period of housekeeping. */
void upstream_tls_housekeeping(struct control *control);

#endif
