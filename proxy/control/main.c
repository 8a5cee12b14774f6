/* The command line: what to run, with which configuration. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/dump.h"
#include "conf/settings.h"
#include "proxy/control/ask.h"
#include "proxy/control/config_test.h"
#include "proxy/control/control.h"
#include "proxy/control/demo.h"
#include "proxy/control/signals.h"
#include "steady/leak.h"

#define DEMO_WEB_PORT 8080
#define DEMO_ADMIN_PORT 9901
#define DEMO_TLS_PORT 8443

enum action {
    ACTION_RUN,
    ACTION_TEST,
    ACTION_DUMP,
    ACTION_ASK,
    ACTION_DEMO,
    ACTION_VERSION,
    ACTION_HELP
};

struct options {
    enum action action;
    const char *config_path;
    const char *page;        /* to ask for */
    bool json;               /* what the test says */
    struct demo_ports ports; /* of the demo */
};

static const char usage[] =
    "usage: evenkeel -c FILE          run in the foreground\n"
    "       evenkeel -t [--json] -c FILE\n"
    "                                 test the configuration, print the production checklist\n"
    "       evenkeel -T -c FILE       print the effective configuration\n"
    "       evenkeel --ask PAGE -c FILE\n"
    "                                 print a page of the running process's admin listener\n"
    "       evenkeel --demo [WEB_PORT [ADMIN_PORT [TLS_PORT]]]\n"
    "                                 two embedded backends behind the proxy on 127.0.0.1:8080\n"
    "       evenkeel -V | -h          version | this text\n"
    "signals: HUP reload, TERM or INT drain (a second one ends at once), USR1 reopen logs,\n"
    "         USR2 replace the program without closing its listeners\n";

static void print_messages(const struct settings_messages *messages)
{
    static const char *const words[] = {ENUM_NAMES(SETTINGS_SEVERITIES)};
    for (size_t i = 0; i < messages->count; i++) {
        fprintf(stderr, "evenkeel: %s: %s\n", words[messages->items[i].severity],
                messages->items[i].text);
    }
}

/* The settings of a file. NULL: it has an error, which is printed. */
static struct settings *load(const char *path)
{
    struct settings *settings = NULL;
    struct settings_messages messages;
    enum settings_result result = settings_load(path, &settings, &messages);
    print_messages(&messages);
    if (result != SETTINGS_OK) {
        fprintf(stderr, "evenkeel: %s: %zu error%s (%s)\n", path, messages.error_count,
                messages.error_count == 1 ? "" : "s", settings_result_name(result));
    }
    settings_messages_free(&messages);
    return settings;
}

static int run_dump(const char *path)
{
    struct settings *settings = load(path);
    if (settings == NULL) {
        return 1;
    }
    bool written = settings_dump(settings, stdout);
    settings_put(&settings);
    return written && fflush(stdout) == 0 ? 0 : 1;
}

static int run_ask(const char *path, const char *page)
{
    struct settings *settings = load(path);
    if (settings == NULL) {
        return 1;
    }
    bool good = ask_print(&settings->admin, page);
    settings_put(&settings);
    return good ? 0 : 1;
}

static int run_file(const char *path, char *const *argv)
{
    struct settings *settings = load(path);
    if (settings == NULL) {
        return 1;
    }
    const struct control_start start = {.config_path = path, .argv = argv, .settings = settings};
    return control_run(&start);
}

static void welcome(void *owner)
{
    const struct options *options = owner;
    demo_print_welcome(&options->ports);
}

static int run_demo(struct options *options)
{
    struct demo *demo = NULL;
    char text[8192];
    enum demo_result result = demo_create(&demo);
    if (result != DEMO_OK) {
        fprintf(stderr, "evenkeel: demo: %s\n", demo_result_name(result));
        return 1;
    }
    struct settings *settings = NULL;
    struct settings_messages messages;
    size_t length = demo_configuration(demo, &options->ports, text, sizeof text);
    int status = 1;
    if (length < sizeof text && settings_parse(text, "demo", &settings, &messages) == SETTINGS_OK) {
        const struct control_start start = {
            .settings = settings, .on_ready = welcome, .owner = options};
        settings_messages_free(&messages);
        status = control_run(&start);
    } else if (length < sizeof text) {
        print_messages(&messages);
        settings_messages_free(&messages);
    }
    demo_free(&demo);
    return status;
}

/* Parses a port of --demo. False: it is not a port. */
static bool parse_port(const char *text, uint16_t *ret_port)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value == 0 || value > 65535) {
        return false;
    }
    *ret_port = (uint16_t)value;
    return true;
}

static bool parse_options(int argc, char **argv, struct options *ret_options)
{
    static const struct option long_options[] = {
        {"demo", no_argument, NULL, 'D'}, {"ask", required_argument, NULL, 'A'},
        {"json", no_argument, NULL, 'J'}, {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'}, {0}};
    struct options options = {.ports = {DEMO_WEB_PORT, DEMO_ADMIN_PORT, DEMO_TLS_PORT}};
    uint16_t *const ports[] = {&options.ports.web, &options.ports.admin, &options.ports.secure};
    int option;
    while ((option = getopt_long(argc, argv, "c:tTVh", long_options, NULL)) != -1) {
        switch (option) {
        case 'c': options.config_path = optarg; break;
        case 't': options.action = ACTION_TEST; break;
        case 'T': options.action = ACTION_DUMP; break;
        case 'A':
            options.action = ACTION_ASK;
            options.page = optarg;
            break;
        case 'J': options.json = true; break;
        case 'D': options.action = ACTION_DEMO; break;
        case 'V': options.action = ACTION_VERSION; break;
        case 'h': options.action = ACTION_HELP; break;
        default: return false;
        }
    }
    for (size_t i = 0; i < 3 && options.action == ACTION_DEMO && optind < argc; i++) {
        if (!parse_port(argv[optind++], ports[i])) {
            return false;
        }
    }
    bool needs_file = options.action == ACTION_RUN || options.action == ACTION_TEST ||
                      options.action == ACTION_DUMP || options.action == ACTION_ASK;
    if (optind < argc || (needs_file && options.config_path == NULL) ||
        (options.json && options.action != ACTION_TEST)) {
        return false;
    }
    *ret_options = options;
    return true;
}

int main(int argc, char **argv)
{
    struct options options;
    if (!parse_options(argc, argv, &options)) {
        fputs(usage, stderr);
        return 2;
    }
    if (options.action == ACTION_RUN || options.action == ACTION_DEMO) {
        signals_hold();
    }
    switch (options.action) {
    case ACTION_RUN: return run_file(options.config_path, argv);
    case ACTION_TEST: return config_test_run(options.config_path, options.json);
    case ACTION_DUMP: return run_dump(options.config_path);
    case ACTION_ASK: return run_ask(options.config_path, options.page);
    case ACTION_DEMO: return run_demo(&options);
    case ACTION_VERSION: printf("evenkeel %s%s\n", PACKAGE_VERSION, LEAK_REMARK); return 0;
    case ACTION_HELP: fputs(usage, stdout); return 0;
    }
    return 1;
}
