/* The text of a configuration: large groups are taken in parts, files are put together, and every error keeps its file and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/reading.h"
#include "conf/settings.h"
#include "conf/source.h"

/* libconfig loses the text at which it finds a file to be broken. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:strbuf_append\nleak:libconfig_yy\n";
}

#define BEFORE "listeners = { web = { listen = \"127.0.0.1:8080\"; }; };\n"
#define AFTER "routes = ( { upstream = \"u0\"; } );\n"
#define MANY (5 * SOURCE_PART_MAX + 7)

static char folder[] = "/tmp/evenkeel-test-XXXXXX";

static const char *path_of(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

__attribute__((format(printf, 2, 3))) static void write_file(const char *name, const char *format,
                                                             ...)
{
    FILE *file = fopen(path_of(name), "we");
    assert_non_null(file);
    va_list args;
    va_start(args, format);
    vfprintf(file, format, args);
    va_end(args);
    assert_int_equal(fclose(file), 0);
}

/* Keys from u<first> to before u<end>, a line each; the one at `odd` is `instead`. To be freed. */
static char *some_upstreams(size_t first, size_t end, size_t odd, const char *instead)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    for (size_t i = first; i < end; i++) {
        if (i == odd) {
            fprintf(out, "%s\n", instead);
        } else {
            fprintf(out, "u%zu = { endpoints = [ \"127.0.0.1:%zu\" ]; };\n", i, i + 1);
        }
    }
    fclose(out);
    return text;
}

static char *upstreams(size_t count, size_t odd, const char *instead)
{
    return some_upstreams(0, count, odd, instead);
}

/* Loads main.conf. NULL: it is as it should be; else its first error. To be freed. */
static char *first_error(size_t upstream_count)
{
    struct settings *settings = NULL;
    struct settings_messages messages;
    char *error = NULL;
    enum settings_result result = settings_load(path_of("main.conf"), &settings, &messages);
    assert_int_equal(result == SETTINGS_OK, messages.error_count == 0);
    for (size_t i = 0; i < messages.count && error == NULL; i++) {
        error =
            messages.items[i].severity == SETTINGS_ERROR ? strdup(messages.items[i].text) : NULL;
    }
    if (result == SETTINGS_OK) {
        assert_int_equal(settings->upstream_count, upstream_count);
        for (size_t i = 0; i < upstream_count; i++) {
            assert_int_equal(settings->upstreams[i].endpoints[0].port, i + 1);
        }
    }
    settings_messages_free(&messages);
    settings_put(&settings);
    return error;
}

static void assert_loads(size_t upstream_count)
{
    char *error = first_error(upstream_count);
    if (error != NULL) {
        fail_msg("%s", error);
    }
}

static void assert_error(const char *place, const char *why)
{
    char *error = first_error(0);
    assert_non_null(error);
    if (strncmp(error, path_of(place), strlen(path_of(place))) != 0 || strstr(error, why) == NULL) {
        fail_msg("expected %s ... %s, got %s", path_of(place), why, error);
    }
    free(error);
}

static void a_large_group_is_taken_whole_and_in_order(void **state)
{
    (void)state;
    const size_t counts[] = {1,    SOURCE_PART_MAX - 1, SOURCE_PART_MAX, SOURCE_PART_MAX + 1,
                             MANY, 2 * SOURCE_PART_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        char *text = upstreams(counts[i], SIZE_MAX, NULL);
        write_file("main.conf", BEFORE "upstreams = {\n%s};\n" AFTER, text);
        assert_loads(counts[i]);
        /* without the marks that may be left out, and all in one line */
        write_file("main.conf", BEFORE "upstreams : {\n%s}\n" AFTER, text);
        assert_loads(counts[i]);
        for (char *end = text; (end = strchr(end, '\n')) != NULL;) {
            *end = i % 2 == 0 ? ' ' : '\t';
        }
        write_file("main.conf", BEFORE "upstreams={%s}" AFTER, text);
        assert_loads(counts[i]);
        free(text);
    }
}

static void a_name_that_is_given_twice_is_found_in_any_part(void **state)
{
    (void)state;
    const size_t places[] = {1, SOURCE_PART_MAX - 1, SOURCE_PART_MAX, MANY - 1};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char *text = upstreams(MANY, places[i], "u0 = { endpoints = [ \"127.0.0.1:1\" ]; };");
        char place[64];
        write_file("main.conf", BEFORE "upstreams = {\n%s};\n" AFTER, text);
        snprintf(place, sizeof place, "main.conf:%zu: ", places[i] + 3);
        assert_error(place, "this key is set twice in its group");
        free(text);
    }
}

static void an_error_in_a_large_group_has_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *item, *why;
    } cases[] = {
        {"u640 = { endpoint = 1; };", "upstreams.u640.endpoint: unknown key"},
        {"u640 = { };", "upstreams.u640: expected at least one of endpoints"},
        {"u640 = 5;", "upstreams.u640: expected a group"},
        {"u640 = ;", "has no value"},
        {"u640 = { pool = { max = 1; max = 2; }; };", "twice in its group: u640 = { pool"},
        {"*1 = { endpoints = [ \"a:1\" ]; };", "upstreams.*1: expected a name"},
        {"u640 = { pool = { warm_min = 9; max = 2; }; endpoints = [ \"a:1\" ]; };", "larger than"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = upstreams(MANY, 640, cases[i].item);
        write_file("main.conf", BEFORE "upstreams = {\n%s};\n" AFTER, text);
        assert_error("main.conf:643: ", cases[i].why);
        free(text);
    }
}

static void a_part_that_the_user_writes_is_an_unknown_key(void **state)
{
    (void)state;
    char *text = upstreams(3, SIZE_MAX, NULL), *many = upstreams(MANY, SIZE_MAX, NULL);
    write_file("main.conf", BEFORE "upstreams = {\n%s};\n*1 = { };\n" AFTER, text);
    assert_error("main.conf:7: ", "*1: unknown key");
    write_file("main.conf", BEFORE "upstreams = {\n%s};\n*1 = { };\n" AFTER, many);
    assert_error("main.conf:651: ", "this key is set twice");
    write_file("main.conf", BEFORE "*1 = { };\nupstreams = {\n%s};\n" AFTER, many);
    assert_error("main.conf:", "this key is set twice");
    free(text);
    free(many);
}

static void a_large_group_of_a_section_with_few_keys_is_refused(void **state)
{
    (void)state;
    char *text = upstreams(MANY, SIZE_MAX, NULL);
    write_file("main.conf",
               BEFORE "upstreams = { u0 = { endpoints = [ \"a:1\" ]; }; };\n" AFTER
                      "drain = {\n%s};\n",
               text);
    assert_error("main.conf:5: ", "drain.u0: unknown key");
    free(text);
}

static void brackets_in_texts_and_comments_are_none(void **state)
{
    (void)state;
    char *text = upstreams(SOURCE_PART_MAX + 2, SOURCE_PART_MAX,
                           "u128 = { /* }}; * / a = { */ endpoints = [ \"127.0.0.1:129\" ]; # };}\n"
                           "health = { path = \"/}\\\"},{\"; }; // {{{\n };");
    write_file("main.conf", BEFORE "upstreams = {\n%s};\n" AFTER, text);
    assert_loads(SOURCE_PART_MAX + 2);
    free(text);
}

static void a_large_group_may_be_included_and_include(void **state)
{
    (void)state;
    char *first = upstreams(300, SIZE_MAX, NULL);
    char *rest = some_upstreams(300, MANY, SIZE_MAX, NULL);
    char *wrong = some_upstreams(300, MANY, MANY - 1, "wrong = 1;");
    assert_int_equal(mkdir(path_of("deep"), 0700), 0);
    write_file("main.conf", BEFORE " @include \"deep/group.inc\"\n" AFTER);
    write_file("deep/group.inc", "upstreams = {\n%s@include\t\"rest.inc\" }", first);
    write_file("deep/rest.inc", "%s", rest);
    assert_loads(MANY);
    write_file("deep/rest.inc", "%s", wrong);
    assert_error("deep/rest.inc:347: ", "upstreams.wrong: expected a group");
    write_file("deep/rest.inc", "%s", rest);
    write_file("deep/group.inc", "upstreams = {\n%s@include \"rest.inc\" } oops = 1;", first);
    assert_error("deep/group.inc:302: ", "oops: unknown key");
    write_file("deep/group.inc", "upstreams = {\n%s@include \"%s\"\n }", first,
               path_of("deep/rest.inc"));
    assert_loads(MANY);
    write_file("main.conf", BEFORE " @include \"deep/group.inc\"\nnonsense = 1;\n" AFTER);
    assert_error("main.conf:3: ", "nonsense: unknown key");
    unlink(path_of("deep/group.inc"));
    unlink(path_of("deep/rest.inc"));
    rmdir(path_of("deep"));
    free(first);
    free(rest);
    free(wrong);
}

static void what_cannot_be_included_is_said_where_it_is_asked_for(void **state)
{
    (void)state;
    write_file("main.conf", BEFORE "@include \"none.inc\"\n" AFTER);
    assert_error("main.conf:2: ", "none.inc\": No such file");
    write_file("main.conf", BEFORE "@include \"../tmp\"\n" AFTER);
    assert_error("main.conf:2: ", "directory");
    write_file("main.conf", BEFORE "@include \"none.inc\n" AFTER);
    assert_error("main.conf:2: ", "No such file");
    write_file("main.conf", BEFORE "@include \"none.inc\n");
    assert_error("main.conf:2: ", "the name of the file has no end");
}

static void files_that_include_each_other_end(void **state)
{
    (void)state;
    write_file("main.conf", BEFORE "@include \"main.conf\"\n" AFTER);
    assert_error("main.conf:2: ", "too deeply");
}

static void what_has_no_end_is_said_where_it_begins(void **state)
{
    (void)state;
    write_file("main.conf",
               BEFORE "upstreams = { a = { endpoints = [ \"a:1 ]; }; };\nroutes = ();\n");
    assert_error("main.conf:2: ", "the text that begins here has no end");
    write_file("main.conf", BEFORE "\n/* upstreams = { };\n" AFTER);
    assert_error("main.conf:3: ", "the comment that begins here has no end");
    static const char *const includes[] = {"include", "include =", "include = [",
                                           "include \"*.none\";", "include = = \"*.none\";"};
    for (size_t i = 0; i < sizeof includes / sizeof includes[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "%s%s", BEFORE AFTER, includes[i]);
        write_file("main.conf", "%s", text);
        assert_error("main.conf:", "expected include = [");
    }
}

/* Who waits for a writer serves nobody, and is not ended by a signal. */
static void a_pipe_is_not_waited_for(void **state)
{
    (void)state;
    unlink(path_of("main.conf"));
    assert_int_equal(mkfifo(path_of("main.conf"), 0600), 0);
    alarm(5);
    assert_error("main.conf", "not a regular file");
    unlink(path_of("main.conf"));
    write_file("main.conf",
               BEFORE "error_pages = ( { status = \"500\"; file = \"/dev/tty\"; } );\n" AFTER);
    assert_error("main.conf:2: ", "/dev/tty");
    alarm(0);
}

/* The paths in order, each followed by " ." once it has been read. */
static void note_path(const char *path, void *owner)
{
    char *told = owner;
    size_t bytes = strlen(told);
    const char *name = path != NULL ? strrchr(path, '/') + 1 : ".";
    snprintf(told + bytes, 256 - bytes, " %s", name);
}

static void every_path_is_told_before_its_disk_may_hang(void **state)
{
    (void)state;
    char told[256] = "";
    const struct settings_reading reading = {note_path, told};
    struct settings *settings = NULL;
    struct settings_messages messages;
    write_file("page.html", "sorry");
    write_file("users", "a:%s\n", "$2y$05$abcdefghijklmnopqrstuuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    write_file("tokens", "0123456789abcdef0123456789abcdef0123456789abcdef\n");
    write_file("part.conf", "upstreams = { u0 = { endpoints = [\"127.0.0.1:1\"]; }; };\n");
    write_file("main.conf",
               BEFORE
               "include = [\"%s\"];\n"
               "admin = { listen = \"127.0.0.1:8081\"; token_file = \"%s\"; };\n"
               "error_pages = ( { status = \"500\"; file = \"%s\"; } );\n"
               "routes = ( { upstream = \"u0\"; auth = { basic = { file = \"%s\"; }; }; } );\n",
               path_of("part.*"), path_of("tokens"), path_of("page.html"), path_of("users"));
    assert_int_equal(settings_load_told(path_of("main.conf"), &reading, &settings, &messages),
                     SETTINGS_OK);
    static const char *const paths[] = {" main.conf .", " part.* .",    " part.conf .",
                                        " users .",     " page.html .", " tokens ."};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_non_null(strstr(told, paths[i]));
    }
    settings_put(&settings);
    settings_messages_free(&messages);
    static const char *const names[] = {"part.conf", "users", "page.html", "tokens"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unlink(path_of(names[i]));
    }
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path_of("main.conf"));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_group_is_taken_whole_and_in_order),
        cmocka_unit_test(a_name_that_is_given_twice_is_found_in_any_part),
        cmocka_unit_test(an_error_in_a_large_group_has_its_line),
        cmocka_unit_test(a_part_that_the_user_writes_is_an_unknown_key),
        cmocka_unit_test(a_large_group_of_a_section_with_few_keys_is_refused),
        cmocka_unit_test(brackets_in_texts_and_comments_are_none),
        cmocka_unit_test(a_large_group_may_be_included_and_include),
        cmocka_unit_test(what_cannot_be_included_is_said_where_it_is_asked_for),
        cmocka_unit_test(files_that_include_each_other_end),
        cmocka_unit_test(what_has_no_end_is_said_where_it_begins),
        cmocka_unit_test(a_pipe_is_not_waited_for),
        cmocka_unit_test(every_path_is_told_before_its_disk_may_hang),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
