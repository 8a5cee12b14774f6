/* Dot segments are resolved as servers resolve them, and no path that needs it escapes the scan. */
#include "proxy/http/target_path.h"
#include "steady/rng.h"
#include "tests/unit/unit.h"

/* NULL: the path climbs above its root. */
static void assert_resolves(const char *target, const char *expected)
{
    char text[256];
    size_t bytes;
    snprintf(text, sizeof text, "%s", target);
    bool fine = target_resolve(text, strlen(text), &bytes);
    if (expected == NULL) {
        assert_false(fine);
        return;
    }
    assert_true(fine);
    text[bytes] = '\0';
    assert_string_equal(text, expected);
}

static void dot_segments_are_resolved_and_nothing_else_changes(void **state)
{
    static const char *const rows[][2] = {
        {"/", "/"},
        {"/.", "/"},
        {"/./", "/"},
        {"/..", NULL},
        {"/../", NULL},
        {"/../a", NULL},
        {"/a/..", "/"},
        {"/a/../", "/"},
        {"/a/../..", NULL},
        {"/a/b/../c", "/a/c"},
        {"/a/./b/.", "/a/b/"},
        {"/a/b/..", "/a/"},
        {"/a/b/../../c/d/..", "/c/"},
        {"/a/%2e%2E/b", "/b"},
        {"/a/.%2e/b", "/b"},
        {"/a/%2e./b", "/b"},
        {"/a/%2e/b", "/a/b"},
        {"/%2e%2e/b", NULL},
        {"/a/%252e%252e/b", "/a/%252e%252e/b"},
        {"/a//../b", "/a/b"},
        {"//../b", "/b"},
        {"//..", "/"},
        {"/a//b", "/a//b"},
        {"/a/.../b", "/a/.../b"},
        {"/a/..b/.c/d.", "/a/..b/.c/d."},
        {"/a/%2", "/a/%2"},
        {"/a/%2f../b", "/a/%2f../b"},
        {"/a/..;/b", "/a/..;/b"},
        {"/a/../b?c/../d", "/b?c/../d"},
        {"/a?/../../..", "/a?/../../.."},
        {"/..?a", NULL},
        {"*", "*"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_resolves(rows[i][0], rows[i][1]);
    }
}

static void assert_reads(enum path_reading reading, const char *path, const char *expected)
{
    char space[256];
    size_t bytes;
    bool fine = path_read(reading, path, strlen(path), space, &bytes);
    assert_int_equal(fine, expected != NULL);
    if (fine) {
        space[bytes] = '\0';
        assert_string_equal(space, expected);
    }
}

static void readings_are_those_of_servers(void **state)
{
    static const struct {
        const char *path, *readings[PATH_READING_COUNT];
    } rows[] = {
        {"/admin", {"/admin", "/admin", "/admin", "/admin"}},
        {"/%61dmin", {"/admin", "/admin", "/admin", "/admin"}},
        {"//admin", {"/admin", "/admin", "/admin", "/"}},
        {"//x/admin", {"/x/admin", "/x/admin", "/x/admin", "/admin"}},
        {"/\\x/admin", {"/x/admin", "/x/admin", "/x/admin", "/admin"}},
        {"/a%2F..%2Fadmin", {"/a/../admin", "/admin", "/admin", "/admin"}},
        {"/a\\..\\admin", {"/a/../admin", "/admin", "/admin", "/admin"}},
        {"/a/..;x=1/admin", {"/a/..;x=1/admin", "/a/..;x=1/admin", "/admin", "/admin"}},
        {"/admin;x", {"/admin;x", "/admin;x", "/admin", "/admin"}},
        {"/;x/admin", {"/;x/admin", "/;x/admin", "/admin", "/admin"}},
        {"/admin%3fx", {"/admin?x", "/admin?x", "/admin", "/admin"}},
        {"/%2561", {"/%61", "/%61", "/%61", "/%61"}},
        {"/%zz%4", {"/%zz%4", "/%zz%4", "/%zz%4", "/%zz%4"}},
        {"/..%2fadmin", {"/../admin", NULL, NULL, NULL}},
        {"/..;/admin", {"/..;/admin", "/..;/admin", NULL, NULL}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (unsigned reading = 0; reading < PATH_READING_COUNT; reading++) {
            assert_reads((enum path_reading)reading, rows[i].path, rows[i].readings[reading]);
        }
    }
}

/* What the scan must find, byte by byte. */
static unsigned shape_by_byte(const char *target, size_t bytes)
{
    unsigned shape = 0;
    for (size_t i = 0; i < bytes; i++) {
        bool behind = i > 0 && target[i - 1] == '/';
        if (behind && (target[i] == '.' || target[i] == '%')) {
            shape |= TARGET_DOTTED;
        }
        if (strchr("%;\\", target[i]) != NULL || (behind && target[i] == '/')) {
            shape |= TARGET_ODD;
        }
    }
    return shape;
}

static struct rng rng;

static size_t drawn(size_t limit)
{
    return (size_t)rng_below(&rng, limit);
}

static void the_scan_misses_nothing_wherever_it_stands(void **state)
{
    (void)state;
    rng_init(&rng, unit_seed());
    for (unsigned round = 0; round < 20000; round++) {
        static const char letters[] = "aaaaaaaaaaaaaaaaaaaaaaaab/.%;\\";
        char text[TARGET_SCAN_BYTES + 64];
        size_t bytes = 1 + drawn(63);
        memset(text, drawn(2) != 0 ? '/' : '.', sizeof text);
        char *target = text + TARGET_SCAN_BYTES;
        for (size_t i = 0; i < bytes; i++) {
            target[i] = letters[drawn(sizeof letters - 1)];
        }
        assert_int_equal(target_shape(target, bytes), shape_by_byte(target, bytes));
        assert_int_equal(target_shape_fast(target, bytes), shape_by_byte(target, bytes));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dot_segments_are_resolved_and_nothing_else_changes),
        cmocka_unit_test(readings_are_those_of_servers),
        cmocka_unit_test(the_scan_misses_nothing_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
