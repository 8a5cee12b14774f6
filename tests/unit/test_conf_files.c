/* Configurations as files: includes, what is none, what is broken by chance, and the dump that reads back to the same. */
#include "tests/unit/conf_rig.h"

#include <malloc.h>
#include <time.h>
#include <unistd.h>

#include "conf/dump.h"
#include "steady/rng.h"

static char *dump_of(const struct settings *settings)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    assert_true(settings_dump(settings, out));
    fclose(out);
    return text;
}

static void reads_back(const char *text)
{
    struct settings *settings = good(text);
    char *first = dump_of(settings);
    struct settings *again = good(first);
    char *second = dump_of(again);
    assert_string_equal(first, second);
    free(first);
    free(second);
    settings_put(&settings);
    settings_put(&again);
}

static void the_dump_reads_back_to_the_same(void **state)
{
    (void)state;
    reads_back(
        "log = { access = { path = \"/var/log/a \\\"b\\\".log\"; }; };\nworkers = 3;\n"
        "listeners = { web = { listen = \"127.0.0.1:1\"; timeouts = { idle = \"90s\"; }; }; };\n"
        "upstreams = { app = { endpoints = [ \"a:1 weight=3\", \"b:2\" ]; balance = \"hash:header:X-User\"; }; };\n"
        "routes = ( { upstream = \"app\"; methods = [ \"GET\", \"HEAD\" ]; deadline = \"1500ms\"; host = \"*.a.b\"; },\n"
        "           { name = \"rest\"; upstream = \"app\"; } );\n");
}

/* Groups that mean something by being there, each on a route that has it, beside routes that have not. */
static void the_dump_of_what_routes_do_reads_back_to_the_same(void **state)
{
    (void)state;
    reads_back(
        "listeners = { web = { listen = \"127.0.0.1:1\"; }; };\n"
        "upstreams = { app = { endpoints = [ \"a:1\" ]; }; sso = { endpoints = [ \"b:1\" ]; }; };\n"
        "routes = ( { name = \"a\"; path_prefix = \"/a/\"; upstream = \"app\"; buffer_request = \"1MiB\";\n"
        "             auth = { forward = { upstream = \"sso\"; path = \"/v\"; copy = [ \"Remote-User\" ]; }; };\n"
        "             sticky = { cookie = \"n\"; }; mirror = \"sso share=0.1\"; },\n"
        "           { name = \"b\"; path = \"/x\"; redirect = { to = \"/y\"; }; },\n"
        "           { name = \"c\"; path_prefix = \"/c/\"; files = { root = \"/tmp\"; }; },\n"
        "           { name = \"d\"; path = \"/d\"; respond = { status = 204; }; },\n"
        "           { name = \"e\"; upstream = [ \"app weight=3\", \"sso weight=1\" ]; split = { key = \"client\"; };\n"
        "             compress = { codings = [ \"gzip\" ]; }; maintenance = { file = \"/tmp/m\"; }; } );\n");
}

static void another_limit_is_for_the_same_pool(void **state)
{
    struct settings *one = good(MINIMAL);
    struct settings *other = good(
        "listeners = { web = { listen = \"127.0.0.1:8080\"; }; };\n"
        "upstreams = { app = { endpoints = [ \"127.0.0.1:8081\" ]; pool = { idle = \"49s\"; }; }; };\n"
        "routes = ( { upstream = \"app\"; } );\n");
    (void)state;
    assert_true(settings_upstream_same_pool(&one->upstreams[0], &other->upstreams[0]));
    settings_put(&one);
    settings_put(&other);
}

static void write_file(const char *path, const char *text, size_t bytes)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    fclose(file);
}

static void includes_and_files_that_are_none_are_explained(void **state)
{
    char folder[] = "/tmp/evenkeel-test-XXXXXX", main_path[64], part_path[64];
    static const char with_include[] =
        "@include \"part.conf\"\nlisteners = { web = { listen = \"127.0.0.1:1\"; }; };\n"
        "routes = ( { upstream = \"app\"; } );\n";
    struct settings *settings = NULL;
    struct settings_messages messages;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(main_path, sizeof main_path, "%s/main.conf", folder);
    snprintf(part_path, sizeof part_path, "%s/part.conf", folder);
    write_file(main_path, with_include, sizeof with_include - 1);
    write_file(part_path, "\nupstreams = { app = { endpoint = 1; endpoints = [ \"a:1\" ]; }; };\n",
               64);
    assert_int_equal(settings_load(main_path, &settings, &messages), SETTINGS_INVALID);
    assert_non_null(
        strstr(messages.items[0].text, "part.conf:2: upstreams.app.endpoint: unknown key"));
    settings_messages_free(&messages);
    write_file(part_path, "a\0b", 3);
    assert_int_equal(settings_load(part_path, &settings, &messages), SETTINGS_UNREADABLE);
    assert_non_null(strstr(messages.items[0].text, "NUL"));
    settings_messages_free(&messages);
    assert_int_equal(settings_load(folder, &settings, &messages), SETTINGS_UNREADABLE);
    assert_non_null(strstr(messages.items[0].text, "not a regular file"));
    settings_messages_free(&messages);
    unlink(part_path);
    assert_int_equal(settings_load(part_path, &settings, &messages), SETTINGS_UNREADABLE);
    assert_non_null(strstr(messages.items[0].text, "No such file"));
    settings_messages_free(&messages);
    assert_int_equal(settings_load(main_path, &settings, &messages), SETTINGS_INVALID);
    settings_messages_free(&messages);
    unlink(main_path);
    rmdir(folder);
}

static void mutated_configurations_never_crash(void **state)
{
    struct settings *settings = good(MINIMAL);
    char *whole = dump_of(settings);
    size_t bytes = strlen(whole);
    char *copy = malloc(bytes + 1);
    struct rng rng;
    uint64_t seed = (uint64_t)time(NULL);
    (void)state;
    settings_put(&settings);
    print_message("# seed %llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    for (int round = 0; round < 300; round++) {
        memcpy(copy, whole, bytes + 1);
        for (uint64_t i = 0; i < 1 + rng_below(&rng, 4); i++) {
            copy[rng_below(&rng, bytes)] = (char)(1 + rng_below(&rng, 126));
        }
        struct settings_messages messages;
        if (settings_parse(copy, "mutated", &settings, &messages) == SETTINGS_OK) {
            settings_put(&settings);
        } else {
            assert_true(messages.error_count > 0);
        }
        settings_messages_free(&messages);
    }
    free(copy);
    free(whole);
}

static void load_broken(const char *text)
{
    struct settings *settings = NULL;
    struct settings_messages messages;
    assert_int_equal(settings_parse(text, "test.conf", &settings, &messages), SETTINGS_INVALID);
    settings_messages_free(&messages);
}

/* libconfig's parser frees no token that it has read and not used. One text for each file that is refused is all that a process
   may lose by reloads; the lexer's buffers and everything of ours come back. */
static void a_broken_file_costs_no_more_than_the_text_at_which_it_breaks(void **state)
{
    enum { TEXT_BYTES = 1000, BLOCK_BYTES = 64, OVERHEAD_BYTES = 32, LOADS_COUNT = 2000 };
    char text[TEXT_BYTES + 64], name[TEXT_BYTES + 1];
    (void)state;
    memset(name, 'x', TEXT_BYTES);
    name[TEXT_BYTES] = '\0';
    snprintf(text, sizeof text, "workers = 1 \"%s\";\n", name);
    load_broken(text);
    size_t before_bytes = mallinfo2().uordblks;
    for (int i = 0; i < LOADS_COUNT; i++) {
        load_broken(text);
        load_broken("workers = 1; @ \n");
        load_broken("workers = (\n");
    }
    size_t lost_bytes = mallinfo2().uordblks - before_bytes;
    assert_true(lost_bytes <= (size_t)LOADS_COUNT * (TEXT_BYTES + BLOCK_BYTES + OVERHEAD_BYTES));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_dump_reads_back_to_the_same),
        cmocka_unit_test(the_dump_of_what_routes_do_reads_back_to_the_same),
        cmocka_unit_test(another_limit_is_for_the_same_pool),
        cmocka_unit_test(includes_and_files_that_are_none_are_explained),
        cmocka_unit_test(mutated_configurations_never_crash),
        cmocka_unit_test(a_broken_file_costs_no_more_than_the_text_at_which_it_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
