/* One question and its answer on a session of nghttp2. */
#include "proxy/upstream/h2_probe.h"

#include <nghttp2/nghttp2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/grpc_status.h"
#include "proxy/upstream/grpc_health.h"
#include "steady/fault.h"

/* More than any answer of a health service. */
#define ANSWER_BYTES 128
#define FIELD(name, value)                                                                        \
    {                                                                                             \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name), strlen(value), \
            NGHTTP2_NV_FLAG_NONE                                                                  \
    }
#define COUNT(list) (sizeof(list) / sizeof(list)[0])

struct h2_probe {
    nghttp2_session *session;
    struct probe_answer answer;
    bool calls, over, refused;
    size_t message_bytes, sent_bytes, got_bytes;
    char *space; /* of pull() */
    size_t space_bytes, used_bytes;
    uint8_t message[GRPC_HEALTH_REQUEST_BYTES];
    uint8_t got[ANSWER_BYTES]; /* the health service's message */
};

/* ---- what comes back ---- */

/* A number of at most three digits; `otherwise` for anything else. */
static unsigned number_of(const uint8_t *value, size_t bytes, unsigned otherwise)
{
    unsigned number = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (value[i] < '0' || value[i] > '9' || bytes > 3) {
            return otherwise;
        }
        number = number * 10 + (unsigned)(value[i] - '0');
    }
    return bytes > 0 ? number : otherwise;
}

static bool is(const uint8_t *name, size_t bytes, const char *text)
{
    return bytes == strlen(text) && memcmp(name, text, bytes) == 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *owner)
{
    struct h2_probe *probe = owner;
    (void)session;
    (void)frame;
    (void)flags;
    if (is(name, name_bytes, ":status")) {
        probe->answer.status = number_of(value, value_bytes, 0);
    } else if (is(name, name_bytes, "grpc-status")) {
        probe->answer.grpc_status = number_of(value, value_bytes, GRPC_UNKNOWN);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes,
                   size_t count, void *owner)
{
    struct h2_probe *probe = owner;
    size_t room = sizeof probe->got - probe->got_bytes;
    (void)session;
    (void)flags;
    (void)stream_id;
    memcpy(probe->got + probe->got_bytes, bytes, count < room ? count : room);
    probe->got_bytes += count < room ? count : room;
    return 0;
}

/* A server may end the rest of the question with NO_ERROR behind its answer (RFC 9113 8.1). */
static int on_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *owner)
{
    struct h2_probe *probe = owner;
    (void)session;
    (void)stream_id;
    probe->over = true;
    probe->refused = code != NGHTTP2_NO_ERROR;
    return 0;
}

static enum probe_hears take(void *session, const char *bytes, size_t count,
                             struct probe_answer *ret_answer)
{
    struct h2_probe *probe = session;
    if (nghttp2_session_mem_recv(probe->session, (const uint8_t *)bytes, count) < 0 ||
        (probe->over && (probe->refused || probe->answer.status == 0))) {
        return PROBE_HEARS_NOISE;
    }
    if (!probe->over) {
        return nghttp2_session_want_read(probe->session) ? PROBE_HEARS_ON : PROBE_HEARS_NOISE;
    }
    probe->answer.serving = grpc_health_serving(probe->got, probe->got_bytes);
    *ret_answer = probe->answer;
    return PROBE_HEARS_ANSWER;
}

/* ---- what is sent ---- */

static ssize_t read_message(nghttp2_session *session, int32_t stream_id, uint8_t *space,
                            size_t space_bytes, uint32_t *flags, nghttp2_data_source *source,
                            void *owner)
{
    struct h2_probe *probe = owner;
    size_t left = probe->message_bytes - probe->sent_bytes;
    size_t bytes = left < space_bytes ? left : space_bytes;
    (void)session;
    (void)stream_id;
    (void)source;
    memcpy(space, probe->message + probe->sent_bytes, bytes);
    probe->sent_bytes += bytes;
    *flags = bytes == left ? NGHTTP2_DATA_FLAG_EOF : 0;
    return (ssize_t)bytes;
}

/* Into the space of pull(), as much as there is room for. */
static ssize_t put(nghttp2_session *session, const uint8_t *bytes, size_t count, int flags,
                   void *owner)
{
    struct h2_probe *probe = owner;
    size_t room = probe->space_bytes - probe->used_bytes;
    size_t taken = count < room ? count : room;
    (void)session;
    (void)flags;
    if (taken == 0) {
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    memcpy(probe->space + probe->used_bytes, bytes, taken);
    probe->used_bytes += taken;
    return (ssize_t)taken;
}

static size_t pull(void *session, char *space, size_t space_bytes)
{
    struct h2_probe *probe = session;
    probe->space = space;
    probe->space_bytes = space_bytes;
    probe->used_bytes = 0;
    return nghttp2_session_send(probe->session) == 0 ? probe->used_bytes : 0;
}

static bool ask(struct h2_probe *probe, const struct probe_question *question)
{
    const nghttp2_nv get[] = {
        FIELD(":method", "GET"),
        FIELD(":scheme", question->secure ? "https" : "http"),
        FIELD(":authority", question->host),
        FIELD(":path", question->path != NULL ? question->path : GRPC_HEALTH_PATH),
        FIELD("user-agent", "evenkeel-health"),
        FIELD("accept", "*/*"),
    };
    const nghttp2_nv call[] = {
        FIELD(":method", "POST"),
        get[1],
        get[2],
        get[3],
        get[4],
        FIELD("te", "trailers"),
        FIELD("content-type", "application/grpc"),
    };
    const nghttp2_data_provider message = {.read_callback = read_message};
    if (nghttp2_submit_settings(probe->session, NGHTTP2_FLAG_NONE,
                                &(const nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                1) != 0) {
        return false;
    }
    if (!probe->calls) {
        return nghttp2_submit_request(probe->session, NULL, get, COUNT(get), NULL, NULL) > 0;
    }
    probe->message_bytes = grpc_health_request(probe->message, question->service);
    return nghttp2_submit_request(probe->session, NULL, call, COUNT(call), &message, NULL) > 0;
}

/* ---- its life ---- */

static void end(void *session)
{
    struct h2_probe *probe = session;
    nghttp2_session_del(probe->session);
    free(probe);
}

static bool open_session(struct h2_probe *probe)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return false;
    }
    nghttp2_session_callbacks_set_send_callback(callbacks, put);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    int failed = nghttp2_session_client_new(&probe->session, callbacks, probe);
    nghttp2_session_callbacks_del(callbacks);
    return failed == 0;
}

static void *begin(const struct probe_question *question)
{
    struct h2_probe *probe = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *probe);
    if (probe == NULL) {
        return NULL;
    }
    probe->calls = question->path == NULL;
    probe->answer.grpc_status = GRPC_UNKNOWN;
    if (!open_session(probe) || !ask(probe, question)) {
        end(probe);
        return NULL;
    }
    return probe;
}

const struct probe_speech h2_probe_speech = {
    .begin = begin,
    .take = take,
    .pull = pull,
    .free = end,
};
