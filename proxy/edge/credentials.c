/* From the field Authorization to a name and a password. */
#include "proxy/edge/credentials.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

bool base64_decode(const char *text, size_t bytes, char *space, size_t space_bytes,
                   size_t *ret_bytes)
{
    for (unsigned i = 0; i < 2 && bytes > 0 && text[bytes - 1] == '='; i++) {
        bytes--;
    }
    uint32_t gathered = 0;
    unsigned bits = 0;
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0) {
            return false;
        }
        gathered = gathered << 6 | (uint32_t)digit;
        bits += 6;
        if (bits < 8) {
            continue;
        }
        if (count == space_bytes) {
            return false;
        }
        bits -= 8;
        space[count++] = (char)(gathered >> bits & 0xff);
    }
    *ret_bytes = count;
    return bytes % 4 != 1;
}

/* The only field Authorization; NULL: there is none, or several, of which servers might read another one. */
static const struct http_field *only_authorization(const struct http_head *head)
{
    const struct http_field *found = NULL;
    for (unsigned i = 0; i < head->field_count; i++) {
        if (head->fields[i].id == FIELD_AUTHORIZATION) {
            if (found != NULL) {
                return NULL;
            }
            found = &head->fields[i];
        }
    }
    return found;
}

/* The part behind "Basic" and its spaces; NULL: another scheme. */
static const char *token_of(const struct http_head *head, const struct http_field *field,
                            size_t *ret_bytes)
{
    static const char scheme[] = "Basic ";
    const char *at = head->base + field->value_at, *end = at + field->value_bytes;
    if (field->value_bytes < sizeof scheme || strncasecmp(at, scheme, sizeof scheme - 1) != 0) {
        return NULL;
    }
    at += sizeof scheme - 1;
    while (at < end && *at == ' ') {
        at++;
    }
    *ret_bytes = (size_t)(end - at);
    return at;
}

static bool split(const char *pair, size_t bytes, struct credentials *ret_credentials)
{
    const char *colon = memchr(pair, ':', bytes);
    if (colon == NULL || memchr(pair, '\0', bytes) != NULL) {
        return false;
    }
    size_t name_bytes = (size_t)(colon - pair), password_bytes = bytes - name_bytes - 1;
    if (name_bytes > CREDENTIAL_NAME_BYTES || password_bytes > CREDENTIAL_PASSWORD_BYTES) {
        return false;
    }
    memcpy(ret_credentials->name, pair, name_bytes);
    ret_credentials->name[name_bytes] = '\0';
    memcpy(ret_credentials->password, colon + 1, password_bytes);
    ret_credentials->password[password_bytes] = '\0';
    return true;
}

bool credentials_find(const struct http_head *head, struct credentials *ret_credentials)
{
    char pair[CREDENTIAL_NAME_BYTES + 1 + CREDENTIAL_PASSWORD_BYTES];
    const struct http_field *field =
        head_has(head, FIELD_AUTHORIZATION) ? only_authorization(head) : NULL;
    size_t token_bytes, bytes;
    const char *token = field != NULL ? token_of(head, field, &token_bytes) : NULL;
    bool found = token != NULL && base64_decode(token, token_bytes, pair, sizeof pair, &bytes) &&
                 split(pair, bytes, ret_credentials);
    explicit_bzero(pair, sizeof pair);
    return found;
}
