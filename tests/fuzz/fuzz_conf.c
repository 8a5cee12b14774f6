/* Any text as a configuration: it is refused with a place and a reason, or its dump reads back as the same settings. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/dump.h"
#include "conf/settings.h"
#include "steady/check.h"

#define NAME "fuzz.conf"

/* libconfig 1.5 loses what it holds when a file breaks off inside a text; nothing of ours. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:strbuf_append\nleak:libconfig_yy\n";
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);

static char *dump_of(const struct settings *settings)
{
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *out = open_memstream(&text, &text_bytes);
    CHECK(out != NULL && settings_dump(settings, out) && fclose(out) == 0);
    return text;
}

static void judge_dump(const struct settings *settings)
{
    struct settings *again = NULL;
    struct settings_messages messages;
    char *text = dump_of(settings);
    CHECK(settings_parse(text, NAME, &again, &messages) == SETTINGS_OK);
    char *same = dump_of(again);
    CHECK(strcmp(text, same) == 0);
    settings_messages_free(&messages);
    settings_put(&again);
    free(text);
    free(same);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes)
{
    struct settings *settings = NULL;
    struct settings_messages messages;
    char *text = malloc(length_bytes + 1);
    CHECK(text != NULL);
    memcpy(text, input, length_bytes);
    text[length_bytes] = '\0';
    /* what another file says is not this input's */
    if (strstr(text, "@include") == NULL) {
        enum settings_result result = settings_parse(text, NAME, &settings, &messages);
        CHECK((result == SETTINGS_OK) == (messages.error_count == 0));
        CHECK((result == SETTINGS_OK) == (settings != NULL));
        for (size_t i = 0; i < messages.count; i++) {
            CHECK(strncmp(messages.items[i].text, NAME ":", sizeof NAME) == 0);
        }
        settings_messages_free(&messages);
        if (result == SETTINGS_OK) {
            judge_dump(settings);
        }
        settings_put(&settings);
    }
    free(text);
    return 0;
}
