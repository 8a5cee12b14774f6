/* A word's fields. */
#include "proxy/admin/operator_view.h"

static void write_text(struct json *json, const char *key, const char *text)
{
    json_text(json, key, text != NULL && *text != '\0' ? text : NULL);
}

void operator_view_fields(struct json *json, const struct operator_said *said)
{
    const struct operator_word *word = said != NULL ? &said->word : NULL;
    write_text(json, "by", word != NULL ? word->by : NULL);
    write_text(json, "reason", word != NULL ? word->reason : NULL);
    json_time(json, "since", word != NULL ? word->since_ms : 0);
    json_time(json, "ends", word != NULL ? word->until_ms : 0);
    write_text(json, "said_at", said != NULL ? said->at : NULL);
}

void operator_view_write(struct json *json, const struct operator_said *said)
{
    if (said == NULL) {
        json_text(json, "operator", NULL);
        return;
    }
    json_open(json, "operator", '{');
    operator_view_fields(json, said);
    json_close(json, '}');
}
