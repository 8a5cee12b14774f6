/* From rings to whole lines. */
#include "proxy/log/log_stage.h"

#include <string.h>

bool log_stage_empty(const struct log_stage *stage)
{
    return stage->begin == stage->end;
}

/* Moves what has to be kept to the front. */
static void stage_compact(struct log_stage *stage)
{
    size_t kept = stage->end - stage->line_begin;
    memmove(stage->bytes, stage->bytes + stage->line_begin, kept);
    stage->begin -= stage->line_begin;
    stage->end = kept;
    stage->line_begin = 0;
}

/* At most `most` bytes of a ring; returns whether it has given all of them. */
static bool stage_take(struct log_stage *stage, struct log_ring *ring, size_t most)
{
    while (most > 0 && stage->end < LOG_STAGE_BYTES) {
        const char *bytes;
        size_t length = log_ring_peek(ring, &bytes);
        size_t space = LOG_STAGE_BYTES - stage->end;
        length = length < most ? length : most;
        length = length < space ? length : space;
        memcpy(stage->bytes + stage->end, bytes, length);
        stage->end += length;
        most -= length;
        log_ring_consume(ring, length);
    }
    return most == 0;
}

/* Rings hold whole lines. So a stage that is full in the middle of a line is filled on from the same ring, and one ring's turn ends at
   a line's end. */
void log_stage_fill(struct log_stage *stage, struct log_ring *const *rings, unsigned ring_count)
{
    stage_compact(stage);
    for (unsigned turn = 0; turn < ring_count; turn++) {
        struct log_ring *ring = rings[stage->ring];
        if (!stage_take(stage, ring, log_ring_used(ring))) {
            return;
        }
        stage->ring = (stage->ring + 1) % ring_count;
    }
}

size_t log_stage_lines(const struct log_stage *stage, uint64_t most)
{
    const char *from = stage->bytes + stage->begin;
    size_t there = stage->end - stage->begin;
    size_t fitting = most < there ? (size_t)most : there;
    const char *last = fitting > 0 ? memrchr(from, '\n', fitting) : NULL;
    if (last == NULL && there > 0) {
        last = memchr(from, '\n', there);
    }
    return last != NULL ? (size_t)(last - from) + 1 : 0;
}

void log_stage_written(struct log_stage *stage, size_t bytes)
{
    const char *from = stage->bytes + stage->begin;
    const char *last = bytes > 0 ? memrchr(from, '\n', bytes) : NULL;
    if (last != NULL) {
        stage->line_begin = stage->begin + (size_t)(last - from) + 1;
    }
    stage->begin += bytes;
}

void log_stage_begin_line_anew(struct log_stage *stage)
{
    stage->begin = stage->line_begin;
}

uint64_t log_stage_discard(struct log_stage *stage)
{
    uint64_t count = 0;
    for (size_t i = stage->begin; i < stage->end; i++) {
        count += stage->bytes[i] == '\n';
    }
    stage->line_begin = stage->begin = stage->end;
    return count;
}
