/*
 * The messages between an old process and the new one that is to replace it: one byte each, with descriptors beside
 * it.
 *
 * Owns nothing. Thread: control. The channel is a SOCK_SEQPACKET socket whose number the new process finds in its
 * environment.
 *
 *   old: SOCKETS..., SHARED_SOCKETS..., WARM, BEGIN        everything the new process needs; it warms up and accepts nothing
 *   new:                       READY    it is warm (or cold, if the configuration accepts that)
 *   old: WORD, TAKE                     from now on it may accept; WORD only if the operator has said something since WARM
 *   new:                       SERVING  every worker accepts
 *   old: DONE                           the manager knows the new service; the old process drains
 *
 * If one loses the other before SERVING, the old process continues as if nothing had happened, and the new one ends.
 */
#ifndef EVENKEEL_PROXY_CONTROL_UPGRADE_WIRE_H
#define EVENKEEL_PROXY_CONTROL_UPGRADE_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#define UPGRADE_VARIABLE "EVENKEEL_UPGRADE"
/* The descriptor of the channel in the new process. */
#define UPGRADE_FD 3
#define UPGRADE_FDS 64

enum upgrade_message {
    UPGRADE_SOCKETS = 'S',        /* listening sockets that Evenkeel has made, up to UPGRADE_FDS */
    UPGRADE_SHARED_SOCKETS = 'M', /* the same, from a service manager */
    UPGRADE_WARM = 'W',           /* a file with the warm state, not encrypted */
    UPGRADE_WORD = 'O',           /* likewise, of which what the operator has said counts */
    UPGRADE_BEGIN = 'B',
    UPGRADE_READY = 'R',
    UPGRADE_TAKE = 'T',
    UPGRADE_SERVING = 'A',
    UPGRADE_DONE = 'D',
};

enum upgrade_receipt { UPGRADE_RECEIVED, UPGRADE_NOTHING_YET, UPGRADE_GONE };

__attribute__((warn_unused_result)) bool upgrade_send(int channel, enum upgrade_message message,
                                                      const int *fds, size_t fd_count);
/* wait_ms: longest wait. Descriptors that came belong to the caller, closed on exec. */
__attribute__((warn_unused_result)) enum upgrade_receipt upgrade_receive(
    int channel, int wait_ms, enum upgrade_message *ret_message, int ret_fds[UPGRADE_FDS],
    size_t *ret_fd_count);

#endif
