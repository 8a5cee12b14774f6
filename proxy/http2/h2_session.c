/* A session's life, and the bytes of its connection. */
#include <stdlib.h>
#include <string.h>

#include "proxy/http2/h2_state.h"
#include "steady/check.h"

/* Window of the connection: given back as bytes arrive, so that it bounds only what is on its way. What can be kept is bounded by the
   streams' windows. */
#define CONNECTION_WINDOW_BYTES (1024 * 1024)
/* nghttp2's own budget of resets, which nothing gives back, stands behind H2_ABUSE_RESETS. */
#define RESETS_BURST 100000
#define RESETS_PER_SECOND 10000
/* CONTINUATION frames of a block. What they carry is bounded by h2_block.h. */
#define CONTINUATIONS 8
/* nghttp2 sends no longer field block, and does not say so: its streams would have no answer. Every head of this program is shorter:
   limits.head, and what is added to it. */
#define SENT_BLOCK_BYTES (1024u * 1024)
/* What nghttp2 may hold: HPACK tables and frames; a stream. Heads that wait are in buffers. */
#define CONNECTION_MEMORY_BYTES (256u * 1024)
#define STREAM_MEMORY_BYTES (4u * 1024)

/* ---- life ---- */

uint64_t h2_memory_for(const struct h2_limits *limits)
{
    return CONNECTION_MEMORY_BYTES + (uint64_t)limits->streams_count * STREAM_MEMORY_BYTES;
}

static int submit_settings(struct h2_session *session)
{
    const struct h2_limits *limits = &session->limits;
    nghttp2_settings_entry entries[8];
    size_t count = 0;
#define SETTING(id, value) entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_##id, value}
    SETTING(INITIAL_WINDOW_SIZE, limits->window_bytes);
    /* RFC 9113 6.5.2 counts 32 bytes for each field besides its name and value */
    uint64_t list_bytes = limits->head_bytes + (uint64_t)limits->fields_count * 32;
    SETTING(MAX_HEADER_LIST_SIZE, list_bytes < UINT32_MAX ? (uint32_t)list_bytes : UINT32_MAX);
    if (h2_session_is_server(session)) {
        SETTING(MAX_CONCURRENT_STREAMS, limits->streams_count);
        SETTING(ENABLE_CONNECT_PROTOCOL, 1);
        SETTING(NO_RFC7540_PRIORITIES, 1);
    } else {
        SETTING(ENABLE_PUSH, 0);
    }
#undef SETTING
    return nghttp2_submit_settings(session->frames, NGHTTP2_FLAG_NONE, entries, count);
}

static nghttp2_option *options_of(const struct h2_session *session)
{
    nghttp2_option *options;
    if (nghttp2_option_new(&options) != 0) {
        return NULL;
    }
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_no_closed_streams(options, 1);
    nghttp2_option_set_no_http_messaging(options, 1); /* h2_block.h and h2_head.h judge all of it */
    nghttp2_option_set_max_outbound_ack(options, H2_QUEUED_FRAMES);
    nghttp2_option_set_max_continuations(options, CONTINUATIONS);
    nghttp2_option_set_max_send_header_block_length(options, SENT_BLOCK_BYTES);
    if (h2_session_is_server(session)) {
        nghttp2_option_set_stream_reset_rate_limit(options, RESETS_BURST, RESETS_PER_SECOND);
        nghttp2_option_set_builtin_recv_extension_type(options, NGHTTP2_PRIORITY_UPDATE);
    } else {
        nghttp2_option_set_max_reserved_remote_streams(options, 0);
    }
    return options;
}

static int begin_frames(struct h2_session *session, const nghttp2_session_callbacks *callbacks,
                        const nghttp2_option *options)
{
    nghttp2_mem memory = h2_memory_of(&session->memory);
    int result =
        h2_session_is_server(session)
            ? nghttp2_session_server_new3(&session->frames, callbacks, session, options, &memory)
            : nghttp2_session_client_new3(&session->frames, callbacks, session, options, &memory);
    if (result == 0) {
        result = submit_settings(session);
    }
    return result == 0 ? nghttp2_session_set_local_window_size(session->frames, NGHTTP2_FLAG_NONE,
                                                               0, CONNECTION_WINDOW_BYTES)
                       : result;
}

static bool begin(struct h2_session *session)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *options = options_of(session);
    bool begun = false;
    if (options != NULL && nghttp2_session_callbacks_new(&callbacks) == 0) {
        h2_callbacks_set(callbacks);
        begun = begin_frames(session, callbacks, options) == 0;
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(options);
    return begun;
}

struct h2_session *h2_session_create(enum h2_role role, const struct h2_limits *limits,
                                     const struct h2_env *env, const struct h2_events *events,
                                     void *owner)
{
    struct h2_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return NULL;
    }
    session->role = (uint8_t)role;
    session->limits = *limits;
    session->env = *env;
    session->events = events;
    session->owner = owner;
    session->counts.calmed = H2_ABUSE_COUNT;
    session->told = true; /* its creator pulls without being told */
    h2_watch_init(&session->frame.watch, role == H2_ROLE_SERVER ? H2_WATCH_PREFACE_BYTES : 0);
    h2_memo_init(&session->frame.memo);
    TAILQ_INIT(&session->streams);
    /* the preface of a client waits in the frame's space until it is pulled */
    h2_memory_init(&session->memory, limits->memory_bytes,
                   role == H2_ROLE_SERVER ? env->frame_space : NULL);
    if (!begin(session)) {
        h2_session_free(&session);
    }
    return session;
}

void h2_session_free(struct h2_session **session)
{
    struct h2_session *ended = *session;
    struct h2_stream *stream;
    if (ended == NULL) {
        return;
    }
    *session = NULL;
    while ((stream = TAILQ_FIRST(&ended->streams)) != NULL) {
        h2_stream_forget(stream);
    }
    nghttp2_session_del(ended->frames);
    h2_memo_forget(&ended->frame.memo, &ended->memory);
    h2_memory_release(&ended->memory);
    h2_block_release(&ended->block, ended->env.bufs);
    buf_give(ended->env.bufs, &ended->left);
    free(ended);
}

void h2_session_leave(struct h2_session *session)
{
    h2_block_release(&session->block, session->env.bufs);
}

void h2_session_move(struct h2_session *session, const struct h2_env *env, void *owner)
{
    CHECK(session->streams_count == 0 && session->block.kind == H2_BLOCK_NONE &&
          session->left == NULL && session->memory.shared == NULL &&
          session->memory.frame_space == NULL);
    session->env = *env;
    session->owner = owner;
}

void h2_session_rest(struct h2_session *session)
{
    if (session->streams_count == 0) {
        h2_memo_forget(&session->frame.memo, &session->memory);
        h2_memory_rest(&session->memory);
    }
}

/* ---- its end ---- */

void h2_session_end(struct h2_session *session, uint32_t code, const char *why)
{
    if (session->over == NULL) {
        session->over = why != NULL ? why : h2_code_name((enum h2_code)code);
        (void)nghttp2_session_terminate_session(session->frames, code);
    }
}

bool h2_session_charge(struct h2_session *session, enum h2_abuse_kind kind)
{
    session->counts.charged[kind]++;
    return h2_abuse_charge(&session->abuse, kind, session->now_ms);
}

int h2_session_calm(struct h2_session *session, enum h2_abuse_kind kind)
{
    if (session->over == NULL) {
        session->counts.calmed = (uint8_t)kind;
    }
    h2_session_end(session, H2_ENHANCE_YOUR_CALM, h2_abuse_name(kind));
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

const struct h2_counts *h2_session_counts(const struct h2_session *session)
{
    return &session->counts;
}

void h2_session_fail(struct h2_session *session, int error)
{
    switch (error) {
    case NGHTTP2_ERR_FLOODED: h2_session_calm(session, H2_ABUSE_UNREAD); break;
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
        h2_session_end(session, H2_PROTOCOL_ERROR, "bad_preface");
        break;
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS: h2_session_calm(session, H2_ABUSE_HEADS); break;
    case NGHTTP2_ERR_NOMEM: h2_session_calm(session, H2_ABUSE_MEMORY); break;
    default: h2_session_end(session, H2_INTERNAL_ERROR, "internal_error"); break;
    }
}

bool h2_session_is_over(const struct h2_session *session)
{
    return session->over != NULL;
}

bool h2_session_takes_streams(const struct h2_session *session)
{
    return session->over == NULL && !session->goaway_received &&
           !h2_memory_is_short(&session->memory) &&
           nghttp2_session_get_next_stream_id(session->frames) <= INT32_MAX;
}

const char *h2_session_why(const struct h2_session *session)
{
    return session->over != NULL ? session->over : "open";
}

void h2_session_warn(struct h2_session *session)
{
    if (nghttp2_submit_shutdown_notice(session->frames) != 0) {
        h2_session_end(session, H2_INTERNAL_ERROR, "no_memory");
    }
    h2_session_tell(session);
}

void h2_session_go_away(struct h2_session *session, uint32_t code)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(session->frames);
    session->leaving = true;
    if (code != H2_NO_ERROR) {
        h2_session_end(session, code, NULL);
    } else if (nghttp2_submit_goaway(session->frames, NGHTTP2_FLAG_NONE, last, code, NULL, 0) !=
               0) {
        h2_session_end(session, H2_INTERNAL_ERROR, "no_memory");
    }
    h2_session_tell(session);
}

void h2_session_ping(struct h2_session *session)
{
    if (nghttp2_submit_ping(session->frames, NGHTTP2_FLAG_NONE, NULL) != 0) {
        h2_session_end(session, H2_INTERNAL_ERROR, "no_memory");
    }
    h2_session_tell(session);
}

/* ---- bytes out ---- */

bool h2_session_has_output(const struct h2_session *session)
{
    return session->left != NULL || (!session->mute && nghttp2_session_want_write(session->frames));
}

void h2_session_tell(struct h2_session *session)
{
    if (session->inside) {
        return;
    }
    bool told = session->told;
    session->told = h2_session_has_output(session); /* what waited may be gone with its stream */
    if (session->told && !told) {
        session->events->wants_pull(session->owner);
    }
}

/* Copies what fits; the rest waits for the next pull. */
bool h2_session_put(struct h2_session *session, const uint8_t *piece, size_t length)
{
    size_t room = (size_t)(session->space.end - session->space.at);
    size_t fits = length < room ? length : room;
    memcpy(session->space.at, piece, fits);
    session->space.at += fits;
    if (fits == length) {
        return true;
    }
    struct iovec rest = {(void *)(uintptr_t)(piece + fits), length - fits};
    return iov_keep(session->env.bufs, &session->left, &rest, 1, 0);
}

static void put_left(struct h2_session *session)
{
    struct buf *left = session->left;
    size_t room = (size_t)(session->space.end - session->space.at);
    size_t fits = buf_length(left) < room ? buf_length(left) : room;
    memcpy(session->space.at, left->bytes + left->begin, fits);
    session->space.at += fits;
    buf_consume(left, fits);
    if (buf_length(left) == 0) {
        buf_give(session->env.bufs, &session->left);
    }
}

/* Frames until none waits, or none fits. */
static void put_frames(struct h2_session *session)
{
    while (session->left == NULL) {
        const uint8_t *piece;
        ssize_t length = nghttp2_session_mem_send(session->frames, &piece);
        if (length < 0) {
            session->mute = true;
            h2_session_fail(session, (int)length);
        }
        if (length <= 0) {
            return;
        }
        if (session->space.replaced) {
            session->space.replaced = false;
        } else if (!h2_session_put(session, piece, (size_t)length)) {
            h2_session_fail(session, NGHTTP2_ERR_NOMEM);
            return;
        }
    }
}

size_t h2_session_pull(struct h2_session *session, char *space, size_t space_bytes)
{
    CHECK(space_bytes >= H2_PULL_BYTES);
    session->space.at = space;
    session->space.end = space + space_bytes;
    session->inside = true;
    if (session->left != NULL) {
        put_left(session);
    }
    put_frames(session);
    session->inside = false;
    size_t length = (size_t)(session->space.at - space);
    session->space.at = session->space.end = NULL;
    session->told = h2_session_has_output(session);
    return length;
}

bool h2_session_in_head(const struct h2_session *session)
{
    return session->block.kind != H2_BLOCK_NONE;
}

uint32_t h2_session_streams_count(const struct h2_session *session)
{
    return session->streams_count;
}
