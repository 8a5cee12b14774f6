/* A warm state is read whole or refused with the reason; what is on the disk is always one or the other. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <utime.h>

#include "pool/warm_file.h"
#include "steady/rng.h"

#define NOW_MS UINT64_C(1700000000000)
#define HOUR_MS UINT64_C(3600000)

static const struct seal_key key = {{7}}, other_key = {{8}};
static const struct warm_terms open_terms = {.wall_ms = NOW_MS, .max_age_ms = HOUR_MS};

struct folder {
    char path[64];
};

static int set_up(void **state)
{
    struct folder *folder = calloc(1, sizeof *folder);
    assert_non_null(folder);
    snprintf(folder->path, sizeof folder->path, "/tmp/evenkeel-warm-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    *state = folder;
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static int tear_down(void **state)
{
    struct folder *folder = *state;
    nftw(folder->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(folder);
    return 0;
}

/* A container with one section (number 3) that holds `text`. */
static uint8_t *make(const char *text, uint64_t wall_ms, const struct seal_key *with,
                     size_t *ret_length)
{
    struct pack pack;
    uint8_t *bytes = NULL;
    pack_init(&pack, WARM_PAYLOAD_MAX_BYTES);
    size_t at = warm_section_begin(&pack, 9);
    pack_u64(&pack, 1);
    warm_section_end(&pack, at);
    at = warm_section_begin(&pack, 3);
    pack_text(&pack, text);
    warm_section_end(&pack, at);
    assert_int_equal(warm_encode(&pack, wall_ms, with, &bytes, ret_length), WARM_OK);
    pack_release(&pack);
    return bytes;
}

static enum warm_result judge(const uint8_t *bytes, size_t length, const struct warm_terms *terms)
{
    struct warm_image image;
    uint8_t *copy = malloc(length + 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    enum warm_result result = warm_decode(copy, length, terms, &image);
    if (result == WARM_OK) {
        warm_image_release(&image);
    }
    return result;
}

static void assert_section(const struct warm_image *image, const char *text)
{
    char found[64];
    struct unpack section = warm_section(image, 3);
    assert_true(unpack_text(&section, found, sizeof found));
    assert_string_equal(found, text);
    section = warm_section(image, 4);
    assert_false(unpack_more(&section));
}

static void what_was_saved_is_restored(void **state)
{
    (void)state;
    for (int sealed = 0; sealed < 2; sealed++) {
        size_t length;
        struct warm_image image;
        const struct seal_key *with = sealed ? &key : NULL;
        const struct warm_terms terms = {NOW_MS + 5, HOUR_MS, with};
        uint8_t *bytes = make("all of it", NOW_MS, with, &length);
        assert_int_equal(memmem(bytes, length, "all of it", 9) == NULL, sealed);
        assert_int_equal(warm_decode(bytes, length, &terms, &image), WARM_OK);
        assert_int_equal(image.saved_wall_ms, NOW_MS);
        assert_section(&image, "all of it");
        warm_image_release(&image);
    }
}

static void every_defect_has_its_name(void **state)
{
    (void)state;
    size_t length, sealed_length;
    uint8_t *bytes = make("x", NOW_MS, NULL, &length);
    uint8_t *sealed = make("x", NOW_MS, &key, &sealed_length);
    const struct warm_terms with_key = {NOW_MS, HOUR_MS, &key},
                            wrong_key = {NOW_MS, HOUR_MS, &other_key},
                            late = {NOW_MS + HOUR_MS + 1, HOUR_MS, NULL},
                            in_time = {NOW_MS + HOUR_MS, HOUR_MS, NULL},
                            early = {NOW_MS - 61000, HOUR_MS, NULL},
                            skewed = {NOW_MS - 59000, HOUR_MS, NULL};
    assert_int_equal(judge(bytes, length, &open_terms), WARM_OK);
    assert_int_equal(judge(bytes, length, &in_time), WARM_OK);
    assert_int_equal(judge(bytes, length, &skewed), WARM_OK);
    assert_int_equal(judge(bytes, length, &late), WARM_OLD);
    assert_int_equal(judge(bytes, length, &early), WARM_FUTURE);
    assert_int_equal(judge(bytes, length, &with_key), WARM_PLAIN);
    assert_int_equal(judge(sealed, sealed_length, &open_terms), WARM_NO_KEY);
    assert_int_equal(judge(sealed, sealed_length, &wrong_key), WARM_WRONG_KEY);
    assert_int_equal(judge((const uint8_t *)"#!/bin/sh\n", 10, &open_terms), WARM_FOREIGN);
    assert_int_equal(judge((const uint8_t *)"", 0, &open_terms), WARM_FOREIGN);
    bytes[9] = 2;
    assert_int_equal(judge(bytes, length, &open_terms), WARM_OTHER_VERSION);
    free(bytes);
    free(sealed);
}

static void torn_and_changed_states_are_refused_at_every_byte(void **state)
{
    (void)state;
    for (int sealed = 0; sealed < 2; sealed++) {
        size_t length;
        const struct warm_terms terms = {NOW_MS, HOUR_MS, sealed ? &key : NULL};
        uint8_t *bytes = make("some state", NOW_MS, terms.key, &length);
        for (size_t i = 0; i < length; i++) {
            enum warm_result torn = judge(bytes, i, &terms);
            assert_true(torn == WARM_TORN || (i < 8 && torn == WARM_FOREIGN));
            bytes[i] ^= 0x10;
            assert_int_not_equal(judge(bytes, length, &terms), WARM_OK);
            bytes[i] ^= 0x10;
        }
        free(bytes);
    }
}

static void save(const char *path, const char *owner, const char *text, uint64_t wall_ms)
{
    size_t length;
    const struct warm_terms terms = {wall_ms, HOUR_MS, NULL};
    uint8_t *bytes = make(text, wall_ms, NULL, &length);
    assert_int_equal(warm_save(path, owner, bytes, length, &terms), WARM_OK);
    free(bytes);
}

struct rejections {
    unsigned count;
    enum warm_result last;
};

static void note(const char *path, enum warm_result result, void *owner)
{
    struct rejections *rejections = owner;
    (void)path;
    rejections->count++;
    rejections->last = result;
}

static enum warm_result load(const char *path, const char *text, struct rejections *rejections)
{
    struct warm_image image;
    char from[WARM_PATH_BYTES];
    enum warm_result result = warm_load(path, &open_terms, note, rejections, from, &image);
    if (result == WARM_OK) {
        assert_section(&image, text);
        warm_image_release(&image);
    }
    return result;
}

static void a_file_is_its_owners_alone(void **state)
{
    const struct folder *folder = *state;
    char path[128];
    struct stat status;
    struct rejections rejections = {0};
    snprintf(path, sizeof path, "%s/state", folder->path);
    assert_int_equal(load(path, "", &rejections), WARM_ABSENT);
    umask(0);
    save(path, "me", "first", NOW_MS);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(load(path, "first", &rejections), WARM_OK);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(load(path, "first", &rejections), WARM_EXPOSED);
    save(path, "me", "second", NOW_MS);
    assert_int_equal(load(path, "second", &rejections), WARM_OK);
    snprintf(path, sizeof path, "%s/nowhere/state", folder->path);
    size_t length;
    uint8_t *bytes = make("", NOW_MS, NULL, &length);
    assert_int_equal(warm_save(path, "me", bytes, length, &open_terms), WARM_UNWRITABLE);
    free(bytes);
    assert_int_equal(load("/dev/null", "", &rejections), WARM_FOREIGN);
}

static void the_newest_valid_state_of_a_folder_is_taken(void **state)
{
    const struct folder *folder = *state;
    char path[WARM_PATH_BYTES];
    struct rejections rejections = {0};
    assert_int_equal(load(folder->path, "", &rejections), WARM_ABSENT);
    save(folder->path, "a", "older", NOW_MS - 2000);
    save(folder->path, "b", "newer", NOW_MS - 1000);
    save(folder->path, "c", "broken", NOW_MS);
    warm_own_path(folder->path, "c", path);
    assert_int_equal(truncate(path, 50), 0);
    assert_int_equal(load(folder->path, "newer", &rejections), WARM_OK);
    assert_int_equal(rejections.count, 1);
    assert_int_equal(rejections.last, WARM_TORN);
}

static void what_was_left_behind_is_swept_and_nothing_else(void **state)
{
    const struct folder *folder = *state;
    static const struct {
        const char *name;
        unsigned age_s;
        bool stays;
    } files[] = {
        {"warm-gone.state", 3600 + 120, false},
        {"warm-late.state", 3600 - 60, true},
        {"warm-gone.state.77.new", 120, false},
        {"warm-busy.state.78.new", 10, true},
        {"notes", 100000, true},
        {"notes.new", 100000, true},
    };
    char path[128];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        time_t then = (time_t)(NOW_MS / 1000 - files[i].age_s);
        const struct utimbuf times = {then, then};
        snprintf(path, sizeof path, "%s/%s", folder->path, files[i].name);
        close(open(path, O_CREAT | O_WRONLY, 0600));
        assert_int_equal(utime(path, &times), 0);
    }
    save(folder->path, "me", "mine", NOW_MS);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder->path, files[i].name);
        assert_int_equal(access(path, F_OK) == 0, files[i].stays);
    }
}

/* Saves without end, each state larger than the last, until it is killed. */
static void save_for_ever(const char *path, uint64_t number)
{
    for (;; number++) {
        struct pack pack;
        uint8_t *bytes;
        size_t length;
        pack_init(&pack, WARM_PAYLOAD_MAX_BYTES);
        size_t at = warm_section_begin(&pack, 3);
        for (uint64_t i = 0; i < 20000; i++) {
            pack_u64(&pack, number);
        }
        warm_section_end(&pack, at);
        if (warm_encode(&pack, NOW_MS, NULL, &bytes, &length) != WARM_OK ||
            warm_save(path, "me", bytes, length, &open_terms) != WARM_OK) {
            _exit(1);
        }
        free(bytes);
        pack_release(&pack);
    }
}

static uint64_t read_number(const char *path)
{
    struct warm_image image;
    char from[WARM_PATH_BYTES];
    struct rejections rejections = {0};
    assert_int_equal(warm_load(path, &open_terms, note, &rejections, from, &image), WARM_OK);
    struct unpack section = warm_section(&image, 3);
    uint64_t number = unpack_u64(&section), count = 1;
    while (unpack_more(&section)) {
        assert_int_equal(unpack_u64(&section), number);
        count++;
    }
    assert_int_equal(count, 20000);
    assert_false(section.failed);
    warm_image_release(&image);
    return number;
}

static void a_kill_while_saving_leaves_the_old_state_or_the_new(void **state)
{
    const struct folder *folder = *state;
    const char *scale = getenv("EVENKEEL_SCALE");
    int runs = scale != NULL && strcmp(scale, "full") == 0 ? 200 : 40;
    struct rng rng;
    char path[128];
    uint64_t number = 0;
    snprintf(path, sizeof path, "%s/state", folder->path);
    rng_init(&rng, unit_seed());
    for (int i = 0; i < runs; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            save_for_ever(path, number + 1);
        }
        while (i == 0 && access(path, F_OK) != 0) {
            usleep(100); /* how often it is looked for */
        }
        usleep((useconds_t)rng_below(&rng, 10000)); /* the kill comes at any moment */
        assert_int_equal(kill(child, SIGKILL), 0);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        uint64_t found = read_number(path);
        assert_true(found >= number);
        number = found;
    }
    printf("# %d kills, %" PRIu64 " saves\n", runs, number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_saved_is_restored),
        cmocka_unit_test(every_defect_has_its_name),
        cmocka_unit_test(torn_and_changed_states_are_refused_at_every_byte),
        cmocka_unit_test_setup_teardown(a_file_is_its_owners_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_newest_valid_state_of_a_folder_is_taken, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_left_behind_is_swept_and_nothing_else, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_kill_while_saving_leaves_the_old_state_or_the_new, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
