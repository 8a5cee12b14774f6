/* Counting by periods. */
#include "tls/record_flood.h"

void record_flood_heard(struct record_flood *flood, uint64_t now_ms)
{
    if (now_ms - flood->since_ms >= RECORD_FLOOD_PERIOD_MS) {
        flood->since_ms = now_ms;
        flood->bare_count = 0;
    }
    flood->bare_count++;
    flood->over = flood->over || flood->bare_count > RECORD_FLOOD_MOST;
}

void record_flood_payload(struct record_flood *flood, bool more)
{
    if (!flood->payload_open && flood->bare_count > 0) {
        flood->bare_count--;
    }
    flood->payload_open = more;
}
