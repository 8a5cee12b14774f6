/* Compares what is shown with the tokens. */
#include "proxy/admin/admin_token.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "proxy/edge/credentials.h"

#define SHOWN_BYTES sizeof(((struct admin_token *)0)->text)
/* "user:token" */
#define PAIR_BYTES 512

static bool token_equal(const struct admin_token *a, const struct admin_token *b)
{
    volatile unsigned char differs = 0; /* volatile: or the loop might end at the first byte */
    for (size_t i = 0; i < SHOWN_BYTES; i++) {
        differs = (unsigned char)(differs | (a->text[i] ^ b->text[i]));
    }
    return differs == 0;
}

static bool token_is_known(const struct admin_settings *settings, const struct admin_token *shown)
{
    unsigned known_count = 0;
    for (size_t i = 0; i < settings->token_count; i++) {
        known_count += token_equal(&settings->tokens[i], shown);
    }
    return known_count > 0;
}

static bool take_token(const char *text, size_t bytes, struct admin_token *ret_token)
{
    if (bytes >= SHOWN_BYTES || memchr(text, '\0', bytes) != NULL) {
        return false;
    }
    memset(ret_token, 0, sizeof *ret_token);
    memcpy(ret_token->text, text, bytes);
    return true;
}

static bool take_bearer(const char *text, struct admin_token *ret_token)
{
    return take_token(text, strlen(text), ret_token);
}

/* The name is anyone's: there are no users. */
static bool take_basic(const char *text, struct admin_token *ret_token)
{
    char pair[PAIR_BYTES];
    size_t bytes = 0;
    bool taken = false;
    if (base64_decode(text, strlen(text), pair, sizeof pair, &bytes)) {
        const char *colon = memchr(pair, ':', bytes);
        taken =
            colon != NULL && take_token(colon + 1, bytes - (size_t)(colon + 1 - pair), ret_token);
    }
    explicit_bzero(pair, sizeof pair);
    return taken;
}

static bool take_shown(const char *authorization, struct admin_token *ret_token)
{
    static const struct {
        const char *scheme;
        bool (*take)(const char *text, struct admin_token *ret_token);
    } rows[] = {{"Bearer ", take_bearer}, {"Basic ", take_basic}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t bytes = strlen(rows[i].scheme);
        if (strncasecmp(authorization, rows[i].scheme, bytes) == 0) {
            return rows[i].take(authorization + bytes + strspn(authorization + bytes, " "),
                                ret_token);
        }
    }
    return false;
}

enum admin_claim admin_token_judge(const struct admin_settings *settings, const char *authorization)
{
    struct admin_token shown;
    if (settings->token_count == 0) {
        return ADMIN_CLAIM_GOOD;
    }
    if (authorization == NULL) {
        return ADMIN_CLAIM_NONE;
    }
    bool good = take_shown(authorization, &shown) && token_is_known(settings, &shown);
    explicit_bzero(&shown, sizeof shown);
    return good ? ADMIN_CLAIM_GOOD : ADMIN_CLAIM_WRONG;
}

const char *admin_token_challenge(enum admin_claim claim)
{
    static const char *const challenges[] = {
#define X(id, words) [id] = "Bearer realm=\"evenkeel\"" words,
        ADMIN_CLAIMS(X)
#undef X
    };
    return challenges[claim];
}
