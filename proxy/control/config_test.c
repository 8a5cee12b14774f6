/* Runs the checks, and hands what they find to one of two printers. */
#include "proxy/control/config_test.h"

#include <stdio.h>

#include "conf/checklist.h"
#include "conf/settings.h"
#include "proxy/admin/json.h"
#include "proxy/control/start_check.h"

/* A printer is given everything in this order: findings, checklist, findings, end. */
struct printer {
    void (*finding)(enum settings_severity severity, const char *text, void *owner);
    checklist_finding_fn *answer;
    void (*valid)(const char *path, void *owner); /* before the checklist */
    /* in its place: the file has errors, which were told, or could not be read for another reason */
    void (*invalid)(const char *path, enum settings_result result, size_t error_count, void *owner);
    int (*end)(const char *path, bool valid, void *owner);
    void *owner;
};

/* ---- for people ---- */

static void say_finding(enum settings_severity severity, const char *text, void *owner)
{
    static const char *const words[] = {ENUM_NAMES(SETTINGS_SEVERITIES)};
    (void)owner;
    fprintf(stderr, "evenkeel: %s: %s\n", words[severity], text);
}

static void say_valid(const char *path, void *owner)
{
    (void)owner;
    printf("%s: the configuration is valid\n", path);
}

static void say_invalid(const char *path, enum settings_result result, size_t error_count,
                        void *owner)
{
    (void)owner;
    fprintf(stderr, "evenkeel: %s: %zu error%s (%s)\n", path, error_count,
            error_count == 1 ? "" : "s", settings_result_name(result));
}

static void say_answer(const struct checklist_finding *finding, void *owner)
{
    const char *verdict = checklist_verdict_name(finding->verdict);
    (void)owner;
    if (finding->verdict == CHECKLIST_MET) {
        printf("%-7s %s: %s\n", verdict, finding->item->id, finding->text);
    } else {
        printf("%-7s %s: %s (%s)\n", verdict, finding->item->id, finding->text,
               finding->item->docs);
    }
}

static int say_end(const char *path, bool valid, void *owner)
{
    (void)path;
    (void)owner;
    return fflush(stdout) == 0 && valid ? 0 : 1;
}

/* ---- for programs ---- */

/* Lists that are written at the same time, each into a buffer of its own. */
struct json_report {
    struct json findings[2]; /* by severity */
    struct json items;
    const struct checklist_item *open; /* whose findings are being written; NULL: none */
};

static void write_finding(enum settings_severity severity, const char *text, void *owner)
{
    struct json_report *report = owner;
    json_text(&report->findings[severity], NULL, text);
}

static void write_valid(const char *path, void *owner)
{
    (void)path;
    (void)owner;
}

static void write_invalid(const char *path, enum settings_result result, size_t error_count,
                          void *owner)
{
    (void)path;
    if (error_count == 0) {
        write_finding(SETTINGS_ERROR, settings_result_name(result), owner);
    }
}

static void close_item(struct json_report *report)
{
    if (report->open != NULL) {
        json_close(&report->items, ']');
        json_close(&report->items, '}');
        report->open = NULL;
    }
}

static void write_answer(const struct checklist_finding *finding, void *owner)
{
    struct json_report *report = owner;
    struct json *json = &report->items;
    if (report->open != finding->item) {
        close_item(report);
        json_open(json, NULL, '{');
        json_text(json, "id", finding->item->id);
        json_text(json, "question", finding->item->question);
        json_text(json, "docs", finding->item->docs);
        json_open(json, "answers", '[');
        report->open = finding->item;
    }
    json_open(json, NULL, '{');
    json_text(json, "verdict", checklist_verdict_name(finding->verdict));
    json_text(json, "text", finding->text);
    json_close(json, '}');
}

static void write_list(struct json *json, const char *key, struct json *list)
{
    json_open(json, key, '[');
    evbuffer_add_buffer(json->out, list->out);
    json_close(json, ']');
}

/* Writes the buffer to standard output. */
static bool print_buffer(struct evbuffer *out)
{
    size_t bytes = evbuffer_get_length(out);
    const unsigned char *text = evbuffer_pullup(out, -1);
    return text != NULL && fwrite(text, 1, bytes, stdout) == bytes && fflush(stdout) == 0;
}

static int write_end(const char *path, bool valid, void *owner)
{
    struct json_report *report = owner;
    struct json json = {.out = evbuffer_new()};
    if (json.out == NULL) {
        return 1;
    }
    close_item(report);
    json_open(&json, NULL, '{');
    json_text(&json, "file", path);
    json_bool(&json, "valid", valid);
    write_list(&json, "errors", &report->findings[SETTINGS_ERROR]);
    write_list(&json, "warnings", &report->findings[SETTINGS_WARNING]);
    write_list(&json, "checklist", &report->items);
    json_close(&json, '}');
    evbuffer_add(json.out, "\n", 1);
    bool printed = print_buffer(json.out);
    evbuffer_free(json.out);
    return printed && valid ? 0 : 1;
}

/* ---- the test ---- */

/* NULL: it has an error, which is told. */
static struct settings *load(const char *path, const struct printer *printer)
{
    struct settings *settings = NULL;
    struct settings_messages messages;
    enum settings_result result = settings_load(path, &settings, &messages);
    for (size_t i = 0; i < messages.count; i++) {
        printer->finding(messages.items[i].severity, messages.items[i].text, printer->owner);
    }
    if (result != SETTINGS_OK) {
        printer->invalid(path, result, messages.error_count, printer->owner);
    }
    settings_messages_free(&messages);
    return settings;
}

static int test(const char *path, const struct printer *printer)
{
    struct settings *settings = load(path, printer);
    bool valid = settings != NULL && start_check(settings, printer->finding, printer->owner);
    if (valid) {
        printer->valid(path, printer->owner);
        checklist_run(settings, printer->answer, printer->owner);
        start_check_as_user(settings, path, printer->finding, printer->owner);
    }
    settings_put(&settings);
    return printer->end(path, valid, printer->owner);
}

static int test_as_json(const char *path)
{
    struct json_report report = {.findings = {{.out = evbuffer_new()}, {.out = evbuffer_new()}},
                                 .items = {.out = evbuffer_new()}};
    struct evbuffer *const buffers[] = {report.findings[0].out, report.findings[1].out,
                                        report.items.out};
    const struct printer printer = {.finding = write_finding,
                                    .answer = write_answer,
                                    .valid = write_valid,
                                    .invalid = write_invalid,
                                    .end = write_end,
                                    .owner = &report};
    bool enough = buffers[0] != NULL && buffers[1] != NULL && buffers[2] != NULL;
    int status = enough ? test(path, &printer) : 1;
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        if (buffers[i] != NULL) {
            evbuffer_free(buffers[i]);
        }
    }
    return status;
}

int config_test_run(const char *path, bool as_json)
{
    const struct printer people = {.finding = say_finding,
                                   .answer = say_answer,
                                   .valid = say_valid,
                                   .invalid = say_invalid,
                                   .end = say_end};
    return as_json ? test_as_json(path) : test(path, &people);
}
