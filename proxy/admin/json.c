/* A JSON writer. */
#include "proxy/admin/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "proxy/log/json_text.h"

static void json_quoted(struct json *json, const char *text)
{
    evbuffer_add(json->out, "\"", 1);
    size_t left = strlen(text);
    while (left > 0) {
        size_t run = json_plain_bytes(text, left);
        evbuffer_add(json->out, text, run);
        text += run;
        left -= run;
        if (left > 0) {
            unsigned char c = (unsigned char)*text++;
            left--;
            evbuffer_add_printf(json->out, c == '"' || c == '\\' ? "\\%c" : "\\u%04x", c);
        }
    }
    evbuffer_add(json->out, "\"", 1);
}

static void json_key(struct json *json, const char *key)
{
    if (json->comma) {
        evbuffer_add(json->out, ",", 1);
    }
    json->comma = true;
    if (key != NULL) {
        json_quoted(json, key);
        evbuffer_add(json->out, ":", 1);
    }
}

void json_open(struct json *json, const char *key, char bracket)
{
    json_key(json, key);
    evbuffer_add(json->out, &bracket, 1);
    json->comma = false;
}

void json_close(struct json *json, char bracket)
{
    evbuffer_add(json->out, &bracket, 1);
    json->comma = true;
}

void json_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    if (text != NULL) {
        json_quoted(json, text);
    } else {
        evbuffer_add(json->out, "null", 4);
    }
}

void json_uint(struct json *json, const char *key, uint64_t value)
{
    json_key(json, key);
    evbuffer_add_printf(json->out, "%" PRIu64, value);
}

void json_number(struct json *json, const char *key, double value)
{
    json_key(json, key);
    evbuffer_add_printf(json->out, "%.6g", isfinite(value) ? value : 0.0);
}

void json_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    evbuffer_add_printf(json->out, "%s", value ? "true" : "false");
}

void json_time(struct json *json, const char *key, uint64_t wall_ms)
{
    char text[32];
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    json_text(json, key, wall_ms != 0 ? text : NULL);
}
