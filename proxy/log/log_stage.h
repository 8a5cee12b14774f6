/*
 * A stage: lines of several rings on their way into one file, one behind the other and each in one piece.
 *
 * Owns its bytes; embedded. Thread: that which writes the file, and reads the rings. Errors: none.
 */
#ifndef EVENKEEL_PROXY_LOG_LOG_STAGE_H
#define EVENKEEL_PROXY_LOG_LOG_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/log/log_ring.h"

/* Holds several of the longest lines. */
#define LOG_STAGE_BYTES (64 * 1024)

/* Bytes before begin are written; those from line_begin on are kept until their line is out. */
struct log_stage {
    char bytes[LOG_STAGE_BYTES];
    size_t line_begin, begin, end;
    unsigned ring; /* whose bytes come next */
};

bool log_stage_empty(const struct log_stage *stage);
/* Moves as much as fits from the rings to the stage. */
void log_stage_fill(struct log_stage *stage, struct log_ring *const *rings, unsigned ring_count);
/* How many bytes may be written next: whole lines of at most `most` bytes together, but at least the present line, or the rest of it.
   0: no line is complete. */
size_t log_stage_lines(const struct log_stage *stage, uint64_t most);
/* So many bytes from begin on are written. */
void log_stage_written(struct log_stage *stage, size_t bytes);
/* Between two lines: nothing of the next one is written. */
static inline bool log_stage_between(const struct log_stage *stage)
{
    return stage->begin == stage->line_begin;
}
/* A line that is written in part will be written whole, to another file. */
void log_stage_begin_line_anew(struct log_stage *stage);
/* Empties it; returns how many lines were not written to their ends. */
uint64_t log_stage_discard(struct log_stage *stage);

#endif
