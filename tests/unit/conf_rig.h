/* What the tests of conf/ stand on: texts that are taken, or refused with certain words. */
#ifndef EVENKEEL_TESTS_UNIT_CONF_RIG_H
#define EVENKEEL_TESTS_UNIT_CONF_RIG_H

#include "tests/unit/unit.h"

#include "conf/settings.h"

/* libconfig loses the text at which it finds a file to be broken; nothing of ours, and no more than that: see
   a_broken_file_costs_no_more_than_the_text_at_which_it_breaks(). */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:strbuf_append\nleak:libconfig_yy\n";
}

#define MINIMAL                                                         \
    "listeners = { web = { listen = \"127.0.0.1:8080\"; }; };\n"        \
    "upstreams = { app = { endpoints = [ \"127.0.0.1:8081\" ]; }; };\n" \
    "routes = ( { upstream = \"app\"; } );\n"

static inline struct settings *good(const char *text)
{
    struct settings *settings = NULL;
    struct settings_messages messages;
    enum settings_result result = settings_parse(text, "test.conf", &settings, &messages);
    for (size_t i = 0; i < messages.count && result != SETTINGS_OK; i++) {
        print_error("%s\n", messages.items[i].text);
    }
    settings_messages_free(&messages);
    assert_int_equal(result, SETTINGS_OK);
    return settings;
}

/* The text is refused, and some message says `wanted`. */
static inline void refused(const char *text, const char *wanted)
{
    struct settings *settings = NULL;
    struct settings_messages messages;
    assert_int_equal(settings_parse(text, "test.conf", &settings, &messages), SETTINGS_INVALID);
    assert_null(settings);
    bool said = false;
    for (size_t i = 0; i < messages.count; i++) {
        said = said || strstr(messages.items[i].text, wanted) != NULL;
    }
    if (!said) {
        for (size_t i = 0; i < messages.count; i++) {
            print_error("said: %s\n", messages.items[i].text);
        }
        fail_msg("nobody said: %s", wanted);
    }
    settings_messages_free(&messages);
}

#endif
