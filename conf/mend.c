/* Units and words of other programs, and how they are written here. */
#include "conf/mend.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf/foreign.h"
#include "conf/schema_types.h"
#include "conf/value.h"

/* A unit as people write it, without the "s" of the plural, and as it is written here. */
struct spoken_unit {
    const char *spoken, *written;
};
static const struct spoken_unit spoken_durations[] = {{"", "s"},
                                                      {"s", "s"},
                                                      {"sec", "s"},
                                                      {"second", "s"},
                                                      {"ms", "ms"},
                                                      {"msec", "ms"},
                                                      {"millisecond", "ms"},
                                                      {"m", "m"},
                                                      {"min", "m"},
                                                      {"minute", "m"},
                                                      {"h", "h"},
                                                      {"hr", "h"},
                                                      {"hour", "h"},
                                                      {"d", "d"},
                                                      {"day", "d"},
                                                      {NULL, NULL}};
static const struct spoken_unit spoken_sizes[] = {
    {"", "B"},    {"b", "B"},    {"byte", "B"},  {"k", "KiB"}, {"kb", "KiB"}, {"kib", "KiB"},
    {"m", "MiB"}, {"mb", "MiB"}, {"mib", "MiB"}, {"g", "GiB"}, {"gb", "GiB"}, {"gib", "GiB"},
    {"t", "TiB"}, {"tb", "TiB"}, {"tib", "TiB"}, {NULL, NULL}};

static const char *const endless_words[] = {"none",  "off", "infinite", "infinity", "unlimited",
                                            "never", "-1",  "0",        "0s",       NULL};

static const char *const yes_words[] = {"yes", "on", "1", NULL};
static const char *const no_words[] = {"no", "off", "0", NULL};

static bool is_word_of(const char *const *words, const char *text)
{
    while (*words != NULL && strcasecmp(*words, text) != 0) {
        words++;
    }
    return *words != NULL;
}

static bool spoken_alike(const char *text, const char *spoken)
{
    size_t bytes = strlen(spoken);
    return strncasecmp(text, spoken, bytes) == 0 &&
           (text[bytes] == '\0' || (bytes > 1 && strcasecmp(text + bytes, "s") == 0));
}

/* "20 MB" as "20MiB". False: no number, or no unit that is known. */
static bool respell(const char *text, const struct spoken_unit *units, char ret_text[64])
{
    size_t digits_bytes = strspn(text, "0123456789.");
    const char *spoken = text + digits_bytes + strspn(text + digits_bytes, " ");
    if (digits_bytes == 0 || digits_bytes > 32) {
        return false;
    }
    while (units->spoken != NULL && !spoken_alike(spoken, units->spoken)) {
        units++;
    }
    if (units->spoken != NULL) {
        snprintf(ret_text, 64, "%.*s%s", (int)digits_bytes, text, units->written);
    }
    return units->spoken != NULL;
}

static bool takes_none(const struct schema_row *row)
{
    return strstr(row->type->name, "\"none\"") != NULL;
}

/* Elsewhere a number without a unit may be milliseconds, as in HAProxy, or seconds, as in nginx. */
static bool is_large_number(const char *text)
{
    return strlen(text) > 3 && text[strspn(text, "0123456789")] == '\0';
}

static void mend_duration(const struct schema_row *row, const char *text, char *hint)
{
    char low[VALUE_TEXT_BYTES], high[VALUE_TEXT_BYTES], respelled[64];
    uint64_t ms;
    schema_range(row, low, high);
    if (is_word_of(endless_words, text)) {
        snprintf(hint, MEND_TEXT_BYTES,
                 ": every wait has an end; write the longest that is right, at most \"%s\"", high);
    } else if (is_large_number(text) && strlen(text) < VALUE_TEXT_BYTES) {
        snprintf(hint, MEND_TEXT_BYTES, ": write \"%sms\" or \"%ss\"", text, text);
    } else if (respell(text, spoken_durations, respelled) && value_duration(respelled, &ms) &&
               strcmp(respelled, text) != 0) {
        snprintf(hint, MEND_TEXT_BYTES, ": write \"%s\"", respelled);
    }
}

static void mend_size(const struct schema_row *row, const char *text, char *hint)
{
    char respelled[64];
    uint64_t bytes;
    if (is_word_of(endless_words, text)) {
        snprintf(hint, MEND_TEXT_BYTES,
                 takes_none(row) ? ": write \"none\" for no limit" : ": there must be a limit");
    } else if (respell(text, spoken_sizes, respelled) && value_size(respelled, &bytes) &&
               strcmp(respelled, text) != 0) {
        snprintf(hint, MEND_TEXT_BYTES, ": write \"%s\"", respelled);
    }
}

/* A number or a word that needs no quotes, or one that needs them. */
static void mend_quotes(const struct schema_row *row, const char *text, bool is_quoted, char *hint)
{
    bool number = *text != '\0' && text[strspn(text, "0123456789.")] == '\0';
    bool word = strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
    if (row->type == &type_bool && is_word_of(yes_words, text)) {
        snprintf(hint, MEND_TEXT_BYTES, ": write true");
    } else if (row->type == &type_bool && is_word_of(no_words, text)) {
        snprintf(hint, MEND_TEXT_BYTES, ": write false");
    } else if (row->type->quoted && !is_quoted) {
        snprintf(hint, MEND_TEXT_BYTES, ": write \"%s\"", text);
    } else if (!row->type->quoted && is_quoted && (number || word)) {
        snprintf(hint, MEND_TEXT_BYTES, ": write %s, without quotes", text);
    }
}

/* The nearest of the row's words. */
static void mend_word(const struct schema_row *row, const char *text, char *hint)
{
    const char *best = NULL;
    size_t best_distance = 3;
    for (size_t i = 0; row->words[i] != NULL; i++) {
        bool longer = strncmp(row->words[i], text, strlen(row->words[i])) == 0;
        size_t distance = longer ? 1 : value_distance(row->words[i], text);
        if (distance < best_distance && distance < strlen(row->words[i])) {
            best_distance = distance;
            best = row->words[i];
        }
    }
    if (best != NULL) {
        snprintf(hint, MEND_TEXT_BYTES, ": did you mean \"%s\"?", best);
    }
}

/* Values of other programs, of keys of a type or of this name. */
static const char *said_elsewhere(const struct schema_row *row, const char *text)
{
    static const struct {
        const struct schema_type *type;
        const char *path, *words, *hint;
    } rows[] = {
        {&type_prefix_list, NULL, "all any *",
         ": \"0.0.0.0/0\" and \"::/0\" are all; whom allow does not name is denied anyway"},
        {&type_key, NULL, "ip src remote_addr client_ip $remote_addr $binary_remote_addr",
         ": write \"client\""},
        {&type_try_list, NULL, "$uri $uri/ {path} {path}/ =404 =403",
         ": leave it out: the path itself and a folder's index come first, 404 last"},
        {&type_balance, NULL, "sticky cookie",
         ": write sticky = { cookie = \"NAME\"; }; in the route"},
        {&type_balance, NULL, "ip_hash source", ": write \"hash:client\""},
        {&type_balance, NULL, "least_conn leastconn least_connections",
         ": write \"least_in_flight\""},
        {NULL, "protocol", "fastcgi uwsgi scgi ajp",
         ": the application must speak HTTP (docs/migrate.md, the last table)"},
        {NULL, "protocol", "http http/1.1", ": write \"http1\""},
        {NULL, "protocol", "h2 h2c grpc http/2", ": write \"http2\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool same =
            rows[i].type != NULL ? rows[i].type == row->type : strcmp(rows[i].path, row->path) == 0;
        if (same && foreign_is_among(rows[i].words, text)) {
            return rows[i].hint;
        }
    }
    return NULL;
}

void mend_value(const struct schema_row *row, const char *text, bool is_quoted,
                char ret_hint[MEND_TEXT_BYTES])
{
    const char *elsewhere = is_quoted ? said_elsewhere(row, text) : NULL;
    ret_hint[0] = '\0';
    if (elsewhere != NULL) {
        snprintf(ret_hint, MEND_TEXT_BYTES, "%s", elsewhere);
    } else if (row->type->blame != NULL && is_quoted) {
        row->type->blame(text, ret_hint, MEND_TEXT_BYTES);
    } else if (row->type->unit == UNIT_MS) {
        mend_duration(row, text, ret_hint);
    } else if (row->type->unit == UNIT_BYTES) {
        mend_size(row, text, ret_hint);
    } else if (row->words != NULL && is_quoted) {
        mend_word(row, text, ret_hint);
    } else {
        mend_quotes(row, text, is_quoted, ret_hint);
    }
}
