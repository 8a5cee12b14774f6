/* Reading tokens. */
#include "conf/admin_access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/read_text.h"
#include "conf/schema.h"

#define FILE_MOST_BYTES ((size_t)64 * 1024)

bool admin_is_local(const struct address *address)
{
    struct address_prefix loopback4, loopback6;
    return address->any.sa_family == AF_UNIX ||
           (address_prefix_parse("127.0.0.0/8", &loopback4) &&
            address_in_prefix(&address->any, &loopback4)) ||
           (address_prefix_parse("::1/128", &loopback6) &&
            address_in_prefix(&address->any, &loopback6));
}

bool admin_is_guarded(const struct address *address, const struct admin_settings *settings)
{
    return settings->token_count > 0 || admin_is_local(address);
}

/* NULL: it can be used; else what is wrong with it. */
static const char *judge(const char *token)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";
    if (token[strspn(token, letters)] != '\0') {
        return "a token consists of letters, digits and -._~+/=";
    }
    return strlen(token) < ADMIN_TOKEN_MIN_BYTES   ? "a token has at least 16 characters"
           : strlen(token) > ADMIN_TOKEN_MAX_BYTES ? "a token has at most 255 characters"
                                                   : NULL;
}

static void trim(char *line)
{
    size_t bytes = strlen(line);
    while (bytes > 0 && strchr(" \t\r", line[bytes - 1]) != NULL) {
        line[--bytes] = '\0';
    }
}

/* The token itself is in no message: messages are logged. */
static bool refuse(char *why, const char *file, unsigned line, const char *what)
{
    snprintf(why, ADMIN_ACCESS_WHY_BYTES, "%s:%u: %s: write openssl rand -hex 32 >%s", file, line,
             what, file);
    return false;
}

static bool take_line(struct arena *arena, char *line, struct schema_list *tokens,
                      const char **ret_what)
{
    trim(line);
    if (line[0] == '\0' || line[0] == '#') {
        return true;
    }
    *ret_what = judge(line);
    if (*ret_what == NULL && tokens->count == ADMIN_TOKENS_MAX) {
        *ret_what = "there are more than 16 tokens";
    }
    if (*ret_what != NULL) {
        return false;
    }
    struct admin_token *token = schema_list_add(arena, tokens, sizeof *token);
    *ret_what = "no memory";
    if (token != NULL) {
        snprintf(token->text, sizeof token->text, "%s", line);
    }
    return token != NULL;
}

bool admin_tokens_parse(struct arena *arena, char *text, struct admin_settings *settings,
                        char why[ADMIN_ACCESS_WHY_BYTES])
{
    struct schema_list tokens = {NULL, 0};
    unsigned number = 0;
    const char *what;
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        number++;
        if (!take_line(arena, line, &tokens, &what)) {
            return refuse(why, settings->token_file, number, what);
        }
    }
    settings->tokens = tokens.items;
    settings->token_count = tokens.count;
    return tokens.count > 0 || refuse(why, settings->token_file, 1, "there is no token");
}

bool admin_tokens_read(struct arena *arena, const struct settings_reading *reading,
                       struct admin_settings *settings, char why[ADMIN_ACCESS_WHY_BYTES])
{
    size_t bytes;
    const char *reason;
    char *text = read_text(settings->token_file, true, FILE_MOST_BYTES, reading, &bytes, &reason);
    if (text == NULL) {
        snprintf(why, ADMIN_ACCESS_WHY_BYTES, "%s: %s", settings->token_file, reason);
        return false;
    }
    bool read = admin_tokens_parse(arena, text, settings, why);
    explicit_bzero(text, bytes);
    free(text);
    return read;
}
