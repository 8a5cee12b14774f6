/* Frames whose faults nghttp2 passes over. */
#include "proxy/http2/h2_watch.h"
#include "tests/unit/unit.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\6\4\0\0\0\0\0\0\3\0\0\0\1"
#define PING "\0\0\10\6\0\0\0\0\0evenkeel"

/* Takes the frames behind a preface, `step` bytes at a time. Returns how many bytes of them come before what is found; -1: nothing is. */
static long good_of(const char *frames, size_t length, size_t step, enum h2_watch_found wanted)
{
    struct h2_watch watch;
    enum h2_watch_found found;
    h2_watch_init(&watch, H2_WATCH_PREFACE_BYTES);
    assert_int_equal(h2_watch_take(&watch, PREFACE, sizeof PREFACE - 1, &found),
                     sizeof PREFACE - 1);
    assert_int_equal(found, H2_WATCH_NOTHING);
    for (size_t at = 0, piece, taken; at < length; at += taken) {
        piece = step < length - at ? step : length - at;
        taken = h2_watch_take(&watch, frames + at, piece, &found);
        if (found == H2_WATCH_FRAME) {
            continue;
        }
        if (found != H2_WATCH_NOTHING) {
            assert_int_equal(found, wanted);
            return (long)(at + taken);
        }
        assert_int_equal(taken, piece);
    }
    return -1;
}

struct row {
    const char *name, *frames;
    size_t length;
    long good;
    enum h2_watch_found found;
};
#define FOUND(name, frames, good, found)             \
    {                                                \
        name, frames, sizeof frames - 1, good, found \
    }
#define ROW(name, frames, good) FOUND(name, frames, good, H2_WATCH_FAULT)

static void a_frame_that_nghttp2_passes_over_is_looked_at(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW("no fault", SETTINGS PING, -1),
        ROW("PRIORITY", "\0\0\5\2\0\0\0\0\1\0\0\0\3\20" PING, -1),
        ROW("PRIORITY of the connection", SETTINGS "\0\0\5\2\0\0\0\0\0\0\0\0\3\20" PING, 15 + 13),
        ROW("PRIORITY on itself", PING "\0\0\5\2\0\0\0\0\1\0\0\0\1\20", 17 + 13),
        ROW("PRIORITY on itself, exclusive", "\0\0\5\2\0\0\0\0\1\200\0\0\1\20", 13),
        ROW("PRIORITY too short to tell", "\0\0\3\2\0\0\0\0\0\0\0\0" PING, -1),
        ROW("PRIORITY_UPDATE", "\0\0\7\20\0\0\0\0\0\0\0\0\1u=1" PING, -1),
        ROW("PRIORITY_UPDATE of no stream", "\0\0\7\20\0\0\0\0\0\0\0\0\0u=1", 13),
        ROW("payload that looks like a frame",
            "\0\0\16\1\1\0\0\0\1\0\0\5\2\0\0\0\0\0\0\0\0\3\20" PING, -1),
        FOUND("DATA", PING "\0\0\1\0\0\0\0\0\3x" PING, 17 + 9, H2_WATCH_DATA),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t step = 1; step <= rows[i].length; step++) {
            long good = good_of(rows[i].frames, rows[i].length, step, rows[i].found);
            if (good != rows[i].good) {
                fail_msg("%s, %zu bytes at a time: %ld", rows[i].name, step, good);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_that_nghttp2_passes_over_is_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
