/* Hostile and odd messages of tests/corpus/h1 mean what the RFCs say, however they arrive. */
#include "tests/unit/unit.h"

#include "tests/fuzz/h1_oracle.h"

#define KEYS_MAX 16
#define TEXT_MAX 65536

struct text {
    size_t bytes;
    char *at;
};

struct test_case {
    const char *file;
    unsigned line;
    size_t key_count;
    struct {
        const char *key;
        struct text value;
    } keys[KEYS_MAX];
};

static unsigned wrong_count;

static const struct {
    const char *name;
    uint16_t fact;
} fact_names[] = {
    {"absolute_form", FACT_ABSOLUTE_FORM},
    {"asterisk", FACT_ASTERISK},
    {"close", FACT_CLOSE},
    {"empty_path", FACT_EMPTY_PATH},
    {"expect_continue", FACT_EXPECT_CONTINUE},
    {"http_1_0", FACT_HTTP_1_0},
    {"keep_alive", FACT_KEEP_ALIVE},
    {"last", FACT_LAST},
    {"te_trailers", FACT_TE_TRAILERS},
    {"upgrade", FACT_UPGRADE},
};

static const char *const known_keys[] = {
    "case",    "section", "input", "result",   "method",  "status",
    "reason",  "target",  "host",  "facts",    "framing", "content_length",
    "dropped", "end",     "body",  "trailers", "left",
};

/* --- reading the cases: the format is told at the top of requests.cases */

static unsigned hex(const char *at)
{
    unsigned value = 0;
    assert_int_equal(sscanf(at, "%2x", &value), 1);
    return value;
}

/* Unescapes [at, end) into room; returns where the text ends. */
static char *unescape(const char *at, const char *end, char *room)
{
    while (at < end) {
        if (*at != '\\') {
            *room++ = *at++;
        } else if (at[1] == 'x') {
            *room++ = (char)hex(at + 2);
            at += 4;
        } else if (at[1] == '{') {
            const char *colon = memchr(at, ':', (size_t)(end - at));
            const char *close = memchr(at, '}', (size_t)(end - at));
            assert_true(colon && close > colon);
            for (unsigned long n = strtoul(at + 2, NULL, 10); n > 0; n--) {
                room = unescape(colon + 1, close, room);
            }
            at = close + 1;
        } else {
            const char *escape = strchr("r\rn\nt\t\\\\", at[1]);
            assert_non_null(escape);
            *room++ = escape[1];
            at += 2;
        }
    }
    return room;
}

static struct text read_value(const char *at, const char *end)
{
    static char room[TEXT_MAX];
    struct text text = {.bytes = (size_t)(unescape(at, end, room) - room)};
    text.at = malloc(text.bytes + 1);
    assert_non_null(text.at);
    memcpy(text.at, room, text.bytes);
    text.at[text.bytes] = '\0';
    return text;
}

static const char *known_key(const char *line, size_t key_bytes)
{
    for (size_t i = 0; i < sizeof known_keys / sizeof *known_keys; i++) {
        if (strlen(known_keys[i]) == key_bytes && memcmp(known_keys[i], line, key_bytes) == 0) {
            return known_keys[i];
        }
    }
    return NULL;
}

/* The next case; false at the end of the file. */
static bool read_case(FILE *file, struct test_case *one)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    for (size_t i = 0; i < one->key_count; i++) {
        free(one->keys[i].value.at);
    }
    one->key_count = 0;
    while ((length = getline(&line, &size, file)) > 0) {
        one->line++;
        if (line[0] == '#' || (line[0] == '\n' && one->key_count == 0)) {
            continue;
        }
        if (line[0] == '\n') {
            break;
        }
        const char *end = line + length - 1;
        const char *colon = strchr(line, ':');
        if (!colon || *end != '\n' || one->key_count == KEYS_MAX ||
            !known_key(line, (size_t)(colon - line))) {
            fail_msg("%s:%u: no key we know", one->file, one->line);
            break;
        }
        one->keys[one->key_count].key = known_key(line, (size_t)(colon - line));
        one->keys[one->key_count++].value = read_value(colon + 1 + (colon + 1 < end), end);
    }
    free(line);
    return one->key_count > 0;
}

static struct text value_of(const struct test_case *one, const char *key, const char *fallback)
{
    for (size_t i = 0; i < one->key_count; i++) {
        if (strcmp(one->keys[i].key, key) == 0) {
            return one->keys[i].value;
        }
    }
    return (struct text){strlen(fallback), (char *)fallback};
}

/* --- telling what was found in the words of the cases */

static void append(struct text *text, const char *bytes, size_t length)
{
    assert_true(text->bytes + length < TEXT_MAX);
    memcpy(text->at + text->bytes, bytes, length);
    text->bytes += length;
}

static void append_word(struct text *text, const char *before, const char *bytes, size_t length,
                        const char *behind)
{
    if (text->bytes) {
        append(text, " ", 1);
    }
    append(text, before, strlen(before));
    append(text, bytes, length);
    append(text, behind, strlen(behind));
}

static struct text told_facts(const struct http_head *head, char *room)
{
    struct text told = {0, room};
    for (size_t i = 0; i < sizeof fact_names / sizeof *fact_names; i++) {
        if (head->facts & fact_names[i].fact) {
            append_word(&told, "", fact_names[i].name, strlen(fact_names[i].name), "");
        }
    }
    return told;
}

static struct text told_fields(const struct http_head *head, bool trailers, char *room)
{
    struct text told = {0, room};
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        bool brackets = trailers && field->drop;
        if (trailers || (field->drop && field->id != FIELD_HOST)) {
            append_word(&told, brackets ? "(" : "", head->base + field->name_at, field->name_bytes,
                        brackets ? ")" : "");
        }
    }
    return told;
}

static void complain(const struct test_case *one, const char *key, const char *bytes, size_t length,
                     struct text wanted)
{
    printf("# %s:%u: \"%s\": %s is \"%.*s\", not \"%s\"\n", one->file, one->line,
           value_of(one, "case", "?").at, key, (int)length, bytes, wanted.at);
    wrong_count++;
}

static void check_text(const struct test_case *one, const char *key, const char *fallback,
                       const char *bytes, size_t length)
{
    struct text wanted = value_of(one, key, fallback);
    if (wanted.bytes != length || memcmp(wanted.at, bytes, length) != 0) {
        complain(one, key, bytes, length, wanted);
    }
}

static void check_word(const struct test_case *one, const char *key, const char *fallback,
                       const char *word)
{
    check_text(one, key, fallback, word, strlen(word));
}

static void check_number(const struct test_case *one, const char *key, const char *fallback,
                         uint64_t number)
{
    char word[32];
    snprintf(word, sizeof word, "%" PRIu64, number);
    check_word(one, key, fallback, word);
}

static void check_span(const struct test_case *one, const char *key, const char *fallback,
                       const struct http_head *head, struct span span)
{
    check_text(one, key, fallback, head_text(head, span), span.bytes);
}

/* --- the checks */

static const struct h1_limits limits = {32768, 128};

static void check_body(const struct test_case *one, bool response, const struct http_head *head,
                       struct text input)
{
    static char room[TEXT_MAX];
    const char *behind = input.at + head->head_bytes;
    size_t behind_bytes = input.bytes - head->head_bytes;
    struct oracle_body decoded;
    for (uint32_t number = 0; number < 8; number++) {
        oracle_judge_body(&decoded, response, (enum http_framing)head->framing,
                          head->content_length, behind, behind_bytes, &limits, number);
        if (decoded.result != H1_OK && decoded.result != H1_INCOMPLETE) {
            check_word(one, "end", "done", h1_result_name(decoded.result));
        } else {
            check_word(one, "end", "done", h1_body_done(&decoded.body) ? "done" : "more");
        }
        if (h1_body_done(&decoded.body)) {
            check_text(one, "left", "", behind + decoded.consumed, behind_bytes - decoded.consumed);
            struct text trailers = told_fields(&decoded.trailers.head, true, room);
            check_text(one, "trailers", "", trailers.at, trailers.bytes);
        }
        /* Of a broken body, what came before the fault depends on the pieces. */
        if (decoded.result == H1_OK || decoded.result == H1_INCOMPLETE) {
            check_text(one, "body", "", decoded.payload, decoded.payload_bytes);
        }
        free(decoded.payload);
    }
}

static enum http_method method_of(const char *name)
{
    return strcmp(name, "HEAD") == 0      ? METHOD_HEAD
           : strcmp(name, "CONNECT") == 0 ? METHOD_CONNECT
                                          : METHOD_GET;
}

static void check_case(const struct test_case *one, bool response)
{
    static const char *const framings[] = {"none", "length", "chunked", "close"};
    static char room[TEXT_MAX];
    struct text input = value_of(one, "input", "");
    struct oracle_role role = {.response = response,
                               .method = method_of(value_of(one, "method", "GET").at)};
    struct oracle_head parsed;
    enum h1_result result = H1_OK;
    for (uint32_t number = 0; number < 8; number++) { /* 0: byte by byte */
        result = oracle_judge_head(&role, input.at, input.bytes, &limits, number, &parsed);
    }
    const struct http_head *head = &parsed.head;
    check_word(one, "result", "ok", h1_result_name(result));
    if (result != H1_OK) {
        return;
    }
    if (response) {
        check_number(one, "status", "200", head->status);
        check_span(one, "reason", "OK", head, head->reason);
    } else {
        check_span(one, "method", "GET", head, head->method_text);
        check_span(one, "target", "/", head, head->target);
        check_span(one, "host", "h", head, head->host);
    }
    struct text facts = told_facts(head, room);
    check_text(one, "facts", "", facts.at, facts.bytes);
    struct text dropped = told_fields(head, false, room);
    check_text(one, "dropped", "", dropped.at, dropped.bytes);
    check_word(one, "framing", "none", framings[head->framing]);
    check_number(one, "content_length", "0", head->content_length);
    check_body(one, response, head, input);
}

static unsigned check_file(const char *name, bool response)
{
    char path[4096];
    const char *root = getenv("top_srcdir");
    struct test_case one = {.file = name};
    unsigned count = 0;
    wrong_count = 0;
    snprintf(path, sizeof path, "%s/tests/corpus/h1/%s", root ? root : ".", name);
    FILE *file = fopen(path, "r");
    if (!file) {
        fail_msg("%s is missing", path);
    }
    while (read_case(file, &one)) {
        if (!value_of(&one, "section", "").bytes || !value_of(&one, "result", "").bytes) {
            fail_msg("%s:%u: no section or no result", name, one.line);
        }
        check_case(&one, response);
        count++;
    }
    fclose(file);
    printf("# %u cases in %s\n", count, name);
    fflush(stdout);
    assert_int_equal(wrong_count, 0);
    return count;
}

static void requests_mean_what_the_rfcs_say(void **state)
{
    (void)state;
    assert_true(check_file("requests.cases", false) >= 150);
}

static void responses_mean_what_the_rfcs_say(void **state)
{
    (void)state;
    assert_true(check_file("responses.cases", true) >= 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_mean_what_the_rfcs_say),
        cmocka_unit_test(responses_mean_what_the_rfcs_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
