/*
 * Fault injection: lets a test fail the Nth allocation, read or write of the whole process.
 *
 * Compiled to nothing unless configured with --enable-fault-injection. Owns (only then): one counter per kind, the one
 * global state below proxy/. Thread: any.
 *
 * The code that can fail asks first:
 *     void *p = fault_hits(FAULT_ALLOC) ? NULL : malloc(n);
 * and the test walks through every place, until a run needs fewer calls than the one that would fail:
 *     for (n = 1; fault_arm(FAULT_ALLOC, n), run(), fault_disarm(FAULT_ALLOC); n++) ...
 */
#ifndef EVENKEEL_STEADY_FAULT_H
#define EVENKEEL_STEADY_FAULT_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdbool.h>
#include <stdint.h>

enum fault_kind { FAULT_ALLOC, FAULT_READ, FAULT_WRITE, FAULT_KINDS };

#ifdef EVENKEEL_FAULT_INJECTION

/* The nth call of this kind from now on fails, once; n > 0. */
void fault_arm(enum fault_kind kind, uint64_t nth);
/* Takes the fault back; whether it had struck. */
bool fault_disarm(enum fault_kind kind);
/* Whether this call has to fail. */
bool fault_hits(enum fault_kind kind);

#else

static inline bool fault_hits(enum fault_kind kind)
{
    (void)kind;
    return false;
}

#endif

#endif
