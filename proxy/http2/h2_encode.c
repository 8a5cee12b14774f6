/* Field blocks, written in one pass. */
#include "proxy/http2/h2_encode.h"

#include <string.h>

#include "proxy/http/append.h"

/* Forms of a field, and how large the number in their first byte may be (RFC 7541 6.1, 6.2.2, 6.2.3). */
#define FORM_KNOWN 0x80u
#define FORM_PLAIN 0x00u
#define FORM_SECRET 0x10u
#define MOST_KNOWN 127u
#define MOST_NAMED 15u
#define MOST_LENGTH 127u /* of a text that is not compressed (5.2) */
/* Besides name and value: the form with its number, and both lengths. */
#define OVERHEAD_BYTES 16u
/* A Cookie so short may be guessed byte by byte where an intermediary compresses it (7.1.3). */
#define SHORT_COOKIE_BYTES 20u

static const uint8_t static_numbers[FIELD_ID_COUNT] = {
    [FIELD_AUTHORIZATION] = 23,
    [FIELD_CACHE_CONTROL] = 24,
    [FIELD_CONTENT_ENCODING] = 26,
    [FIELD_CONTENT_LENGTH] = 28,
    [FIELD_CONTENT_RANGE] = 30,
    [FIELD_CONTENT_TYPE] = 31,
    [FIELD_COOKIE] = 32,
    [FIELD_DATE] = 33,
    [FIELD_EXPECT] = 35,
    [FIELD_HOST] = 38,
    [FIELD_LOCATION] = 46,
    [FIELD_MAX_FORWARDS] = 47,
    [FIELD_PROXY_AUTHENTICATE] = 48,
    [FIELD_PROXY_AUTHORIZATION] = 49,
    [FIELD_REFERER] = 51,
    [FIELD_RETRY_AFTER] = 53,
    [FIELD_SERVER] = 54,
    [FIELD_SET_COOKIE] = 55,
    [FIELD_TRANSFER_ENCODING] = 57,
    [FIELD_USER_AGENT] = 58,
    [FIELD_VIA] = 60,
};

/* Where so many bytes may be written; NULL: no memory. */
static char *room_for(struct h2_encoder *encoder, size_t bytes)
{
    bool fits = encoder->buf != NULL && buf_space(encoder->buf) >= bytes;
    if (!fits && !encoder->failed) {
        encoder->failed = !buf_widen(encoder->pool, &encoder->buf, bytes);
    }
    return encoder->failed ? NULL : encoder->buf->bytes + encoder->buf->end;
}

static void written(struct h2_encoder *encoder, const char *end)
{
    encoder->buf->end = (uint32_t)(end - encoder->buf->bytes);
}

/* RFC 7541 5.1: a number behind the form's bits, of which `most` is the first that does not fit there. */
static char *put_number(char *at, unsigned form, unsigned most, size_t number)
{
    if (number < most) {
        *at++ = (char)(form | number);
        return at;
    }
    *at++ = (char)(form | most);
    for (number -= most; number >= 128; number /= 128) {
        *at++ = (char)(number % 128 | 128);
    }
    *at++ = (char)number;
    return at;
}

static char *put_text(char *at, const char *text, size_t bytes)
{
    return append(put_number(at, 0, MOST_LENGTH, bytes), text, bytes);
}

/* RFC 9113 8.2.1. */
static char *put_lower(char *at, const char *name, size_t bytes)
{
    at = put_number(at, 0, MOST_LENGTH, bytes);
    for (size_t i = 0; i < bytes; i++) {
        unsigned letter = (unsigned char)name[i];
        *at++ = (char)(letter + (letter - 'A' < 26u ? 'a' - 'A' : 0u));
    }
    return at;
}

/* RFC 7541 7.1.3: what whoever passes it on must not put into a table either. */
static bool is_secret(enum field_id id, size_t value_bytes)
{
    return id == FIELD_AUTHORIZATION || id == FIELD_PROXY_AUTHORIZATION ||
           (id == FIELD_COOKIE && value_bytes < SHORT_COOKIE_BYTES);
}

void h2_encode_known(struct h2_encoder *encoder, unsigned number)
{
    char *at = room_for(encoder, OVERHEAD_BYTES);
    if (at != NULL) {
        written(encoder, put_number(at, FORM_KNOWN, MOST_KNOWN, number));
    }
}

void h2_encode_named(struct h2_encoder *encoder, unsigned number, const char *value,
                     size_t value_bytes)
{
    char *at = room_for(encoder, value_bytes + OVERHEAD_BYTES);
    if (at != NULL) {
        at = put_number(at, FORM_PLAIN, MOST_NAMED, number);
        written(encoder, put_text(at, value, value_bytes));
    }
}

void h2_encode_field(struct h2_encoder *encoder, enum field_id id, const char *name,
                     size_t name_bytes, const char *value, size_t value_bytes)
{
    unsigned form = is_secret(id, value_bytes) ? FORM_SECRET : FORM_PLAIN;
    char *at = room_for(encoder, name_bytes + value_bytes + OVERHEAD_BYTES);
    if (at == NULL) {
        return;
    }
    at = put_number(at, form, MOST_NAMED, static_numbers[id]);
    if (static_numbers[id] == 0) {
        at = id == FIELD_OTHER ? put_lower(at, name, name_bytes)
                               : put_text(at, field_texts[id], name_bytes);
    }
    written(encoder, put_text(at, value, value_bytes));
}

static unsigned static_status(unsigned status)
{
    switch (status) {
    case 200: return H2_STATIC_STATUS;
    case 204: return 9;
    case 206: return 10;
    case 304: return 11;
    case 400: return 12;
    case 404: return 13;
    case 500: return 14;
    default: return 0;
    }
}

void h2_encode_status(struct h2_encoder *encoder, unsigned status)
{
    const char digits[3] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10),
                            (char)('0' + status % 10)};
    unsigned number = static_status(status);
    if (number > 0) {
        h2_encode_known(encoder, number);
    } else {
        h2_encode_named(encoder, H2_STATIC_STATUS, digits, sizeof digits);
    }
}
