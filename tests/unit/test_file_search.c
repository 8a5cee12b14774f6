/* No path leads out of the folder, whatever it is written like and whatever stands there; both ways to open agree on that. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "proxy/edge/file_search.h"
#include "proxy/http/accept_encoding.h"

static char top[] = "/tmp/evenkeel-file-search-XXXXXX";

static void put(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int build(void **state)
{
    (void)state;
    if (mkdtemp(top) == NULL || chdir(top) != 0 || mkdir("root", 0755) != 0 ||
        mkdir("root/sub", 0755) != 0 || mkdir("root/bare", 0755) != 0 ||
        mkdir("root/.well-known", 0755) != 0 || mkdir("root/.git", 0755) != 0 ||
        mkdir("outside", 0755) != 0) {
        return -1;
    }
    put("root/index.html", "index");
    put("root/page.html", "page");
    put("root/sub/index.html", "sub index");
    put("root/two words", "words");
    put("root/app.js", "plain");
    put("root/app.js.gz", "gzip");
    put("root/app.js.zst", "zstd");
    put("root/.env", "secret");
    put("root/.git/config", "secret");
    put("root/.well-known/token", "token");
    put("root/locked", "secret");
    put("outside/secret", "secret");
    bool linked = symlink("../outside/secret", "root/out") == 0 &&
                  symlink("/etc/passwd", "root/absolute") == 0 && symlink("..", "root/up") == 0 &&
                  symlink("page.html", "root/inside") == 0 && symlink("loop", "root/loop") == 0 &&
                  symlink("nowhere", "root/broken") == 0;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "root/socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool made = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                mkfifo("root/fifo", 0644) == 0;
    close(fd);
    return linked && made ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", top);
    return system(command);
}

/* ---- paths ---- */

static void a_path_names_a_file_or_none(void **state)
{
    static const struct {
        const char *path;
        const char *name; /* NULL: none */
        bool folder;
    } rows[] = {
        {"/", "", true},
        {"/a", "a", false},
        {"/a/", "a", true},
        {"//a///b//", "a/b", true},
        {"/two%20words", "two words", false},
        {"/%61%2Fb", NULL, false},
        {"/a%00b", NULL, false},
        {"/a%0", NULL, false},
        {"/a%zz", NULL, false},
        {"/%2e%2e/x", NULL, false},
        {"/a/%2E./x", NULL, false},
        {"/a/..", NULL, false},
        {"/.", NULL, false},
        {"/.git/config", NULL, false},
        {"/a/.env", NULL, false},
        {"/%2eenv", NULL, false},
        {"/.well-known/x", ".well-known/x", false},
        {"/.well-knownx", NULL, false},
        {"/a.b/c..d/e.", "a.b/c..d/e.", false},
        {"/a\\..\\b", "a\\..\\b", false},
        {"/%c3%a4", "\xc3\xa4", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct file_path path;
        bool named = file_path_read(rows[i].path, strlen(rows[i].path), &path);
        if (named != (rows[i].name != NULL)) {
            fail_msg("%s: %s", rows[i].path, named ? path.text : "none");
        }
        if (named) {
            assert_string_equal(path.text, rows[i].name);
            assert_int_equal(path.folder, rows[i].folder);
        }
    }
}

static void a_path_that_is_too_long_names_no_file(void **state)
{
    char text[FILE_PATH_MAX_BYTES + 8];
    struct file_path path;
    (void)state;
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof text; i += 64) {
        text[i] = '/';
    }
    assert_true(file_path_read(text, FILE_PATH_MAX_BYTES - 2, &path));
    for (size_t bytes = FILE_PATH_MAX_BYTES + 2; bytes < sizeof text; bytes++) {
        assert_false(file_path_read(text, bytes, &path));
    }
}

/* ---- opening ---- */

static void assert_opens(file_open_fn *open_fn, const char *path, bool opens)
{
    int root = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = open_fn(root, path, O_RDONLY | O_NONBLOCK);
    if ((fd >= 0) != opens) {
        fail_msg("%s: %s", path, fd >= 0 ? "opened" : strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    close(root);
}

static void neither_way_to_open_leaves_the_folder(void **state)
{
    static const char *const outside[] = {"../outside/secret",
                                          "sub/../../outside/secret",
                                          "out",
                                          "absolute",
                                          "up/outside/secret",
                                          "/etc/passwd",
                                          "..",
                                          "loop",
                                          "broken",
                                          "page.html/x",
                                          "nothing"};
    static const char *const inside[] = {"page.html", "sub/index.html", "", "sub", ".env"};
    (void)state;
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        assert_opens(file_open_beneath, outside[i], false);
        assert_opens(file_open_by_walking, outside[i], false);
    }
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        assert_opens(file_open_beneath, inside[i], true);
        assert_opens(file_open_by_walking, inside[i], true);
    }
    /* walking follows no symbolic link at all */
    assert_opens(file_open_beneath, "inside", true);
    assert_opens(file_open_by_walking, "inside", false);
}

/* ---- searching ---- */

static const char *const indexes[] = {"index.html"};
static const char *const tries[] = {".html", "/index.html"};

static void assert_found(const struct file_settings *settings, const char *text, unsigned codings,
                         enum file_search_result wanted, const char *content)
{
    static struct file_found found;
    struct file_path path;
    char read_text[64] = "";
    assert_true(file_path_read(text, strlen(text), &path));
    enum file_search_result result = file_search(settings, &path, codings, &found);
    if (result != wanted) {
        fail_msg("%s: %d", text, (int)result);
    }
    assert_int_equal(found.fd >= 0, result == FILE_SEARCH_FOUND);
    if (found.fd >= 0) {
        ssize_t bytes = read(found.fd, read_text, sizeof read_text - 1);
        assert_string_equal(read_text, content);
        assert_int_equal(bytes, found.bytes);
        close(found.fd);
    }
}

static void only_regular_files_below_the_folder_are_found(void **state)
{
    const struct file_settings settings = {.root = "root", .index = indexes, .index_count = 1};
    (void)state;
    assert_found(&settings, "/", 0, FILE_SEARCH_FOUND, "index");
    assert_found(&settings, "/page.html", 0, FILE_SEARCH_FOUND, "page");
    assert_found(&settings, "/inside", 0, FILE_SEARCH_FOUND, "page");
    assert_found(&settings, "/two%20words", 0, FILE_SEARCH_FOUND, "words");
    assert_found(&settings, "/.well-known/token", 0, FILE_SEARCH_FOUND, "token");
    assert_found(&settings, "/sub", 0, FILE_SEARCH_FOLDER, NULL);
    assert_found(&settings, "/sub/", 0, FILE_SEARCH_FOUND, "sub index");
    assert_found(&settings, "/bare", 0, FILE_SEARCH_NOT_FOUND, NULL);
    assert_found(&settings, "/bare/", 0, FILE_SEARCH_NOT_FOUND, NULL);
    assert_found(&settings, "/page.html/", 0, FILE_SEARCH_NOT_FOUND, NULL);
    assert_found(&settings, "/page.html/x", 0, FILE_SEARCH_NOT_FOUND, NULL);
    assert_found(&settings, "/nothing", 0, FILE_SEARCH_NOT_FOUND, NULL);
    assert_found(&settings, "/fifo", 0, FILE_SEARCH_NOT_FOUND, NULL);
    assert_found(&settings, "/socket", 0, FILE_SEARCH_NOT_FOUND, NULL);
    assert_found(&settings, "/broken", 0, FILE_SEARCH_NOT_FOUND, NULL);
    assert_found(&settings, "/out", 0, FILE_SEARCH_DENIED, NULL);
    assert_found(&settings, "/absolute", 0, FILE_SEARCH_DENIED, NULL);
    assert_found(&settings, "/up/outside/secret", 0, FILE_SEARCH_DENIED, NULL);
    assert_found(&settings, "/loop", 0, FILE_SEARCH_DENIED, NULL);
    const struct file_settings missing = {.root = "missing"};
    assert_found(&missing, "/page.html", 0, FILE_SEARCH_NOT_FOUND, NULL);
    const struct file_settings device = {.root = "/dev"};
    assert_found(&device, "/zero", 0, FILE_SEARCH_NOT_FOUND, NULL);
}

static void what_is_tried_next_is_found_in_order(void **state)
{
    const struct file_settings settings = {
        .root = "root", .index = indexes, .index_count = 1, .tries = tries, .try_count = 2};
    (void)state;
    assert_found(&settings, "/page", 0, FILE_SEARCH_FOUND, "page");
    assert_found(&settings, "/app/route", 0, FILE_SEARCH_FOUND, "index");
    assert_found(&settings, "/bare/", 0, FILE_SEARCH_FOUND, "index");
    assert_found(&settings, "/page/", 0, FILE_SEARCH_FOUND, "index");
    assert_found(&settings, "/sub", 0, FILE_SEARCH_FOLDER, NULL);
    assert_found(&settings, "/out", 0, FILE_SEARCH_DENIED, NULL);
}

static void a_coding_is_sent_to_who_takes_it(void **state)
{
    const struct file_settings settings = {.root = "root", .precompressed = true};
    const struct file_settings off = {.root = "root"};
    (void)state;
    assert_found(&settings, "/app.js", 0, FILE_SEARCH_FOUND, "plain");
    assert_found(&settings, "/app.js", CODING_BIT(CODING_BR), FILE_SEARCH_FOUND, "plain");
    assert_found(&settings, "/app.js", CODING_BIT(CODING_GZIP), FILE_SEARCH_FOUND, "gzip");
    assert_found(&settings, "/app.js", CODING_BIT(CODING_GZIP) | CODING_BIT(CODING_ZSTD),
                 FILE_SEARCH_FOUND, "zstd");
    assert_found(&off, "/app.js", CODING_BIT(CODING_GZIP), FILE_SEARCH_FOUND, "plain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_names_a_file_or_none),
        cmocka_unit_test(a_path_that_is_too_long_names_no_file),
        cmocka_unit_test(neither_way_to_open_leaves_the_folder),
        cmocka_unit_test(only_regular_files_below_the_folder_are_found),
        cmocka_unit_test(what_is_tried_next_is_found_in_order),
        cmocka_unit_test(a_coding_is_sent_to_who_takes_it),
    };
    return cmocka_run_group_tests_name("file_search", tests, build, tear_down);
}
