/* The log: lines arrive, files rotate without leaving descriptors behind, a full ring or disk drops and counts, nobody waits. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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

#include "proxy/log/log.h"
#include "proxy/log/log_file.h"
#include "proxy/log/log_ring.h"

static char folder[64];

static const char *path_in(const char *name)
{
    static char path[4][128];
    static unsigned turn;
    char *one = path[turn++ % 4];
    snprintf(one, sizeof path[0], "%s/%s", folder, name);
    return one;
}

static size_t count_lines(const char *path)
{
    FILE *file = fopen(path, "re");
    size_t lines = 0;
    if (file == NULL) {
        return 0;
    }
    for (int c = getc(file); c != EOF; c = getc(file)) {
        lines += c == '\n';
    }
    fclose(file);
    return lines;
}

static unsigned open_fds(void)
{
    unsigned count = 0;
    DIR *fds = opendir("/proc/self/fd");
    assert_non_null(fds);
    while (readdir(fds) != NULL) {
        count++;
    }
    closedir(fds);
    return count;
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/evenkeel-log-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void a_full_ring_drops_whole_lines_and_counts_them(void **state)
{
    struct log_ring ring;
    const char *bytes;
    (void)state;
    assert_true(log_ring_init(&ring, 64));
    assert_true(log_ring_put(&ring, "0123456789012345678901234567890\n", 32));
    assert_true(log_ring_put(&ring, "abcdefghijklmnopqrstuvwxyzabcde\n", 32));
    assert_false(log_ring_put(&ring, "x\n", 2));
    assert_int_equal(ring.dropped, 1);
    assert_int_equal(log_ring_peek(&ring, &bytes), 64);
    log_ring_consume(&ring, 48);
    assert_true(log_ring_put(&ring, "wraps around the end of the ring\n", 33));
    assert_int_equal(log_ring_peek(&ring, &bytes), 16);
    log_ring_consume(&ring, 16);
    assert_int_equal(log_ring_peek(&ring, &bytes), 33);
    assert_memory_equal(bytes, "wraps around", 12);
    log_ring_release(&ring);
}

static void rotation_keeps_the_newest_and_leaves_no_descriptor(void **state)
{
    struct log_file file = {.fd = -1};
    const char *path = strdup(path_in("rotate.log"));
    (void)state;
    assert_true(log_file_open(&file, path, 1000));
    file.rotate_size_bytes = 100;
    file.rotate_age_ms = 1000000;
    file.keep_count = 3;
    unsigned before = open_fds();
    for (int i = 0; i < 1000; i++) {
        char line[64];
        int length = snprintf(line, sizeof line, "line %d ............................\n", i);
        log_file_write(&file, line, (size_t)length, 1000);
    }
    assert_int_equal(open_fds(), before);
    assert_true(file.rotations > 300);
    char name[160];
    snprintf(name, sizeof name, "%s.3", path);
    assert_int_equal(access(name, F_OK), 0);
    snprintf(name, sizeof name, "%s.4", path);
    assert_int_not_equal(access(name, F_OK), 0);
    /* by age, too */
    uint64_t rotations = file.rotations;
    log_file_write(&file, "old\n", 4, 1000);
    log_file_write(&file, "new\n", 4, 2000000);
    assert_true(file.rotations > rotations);
    log_file_close(&file);
    free((char *)(uintptr_t)path);
}

static void a_full_disk_loses_lines_and_is_counted(void **state)
{
    struct log_file file = {.fd = -1};
    (void)state;
    assert_true(log_file_open(&file, "/dev/full", 1000));
    /* what it says on stderr belongs to the operator, not to this test's output */
    int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    log_file_write(&file, "lost\n", 5, 1000);
    log_file_write(&file, "lost\n", 5, 1001);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(null);
    assert_int_equal(file.write_errors, 2);
    assert_int_equal(file.written_bytes, 0);
    log_file_close(&file);
}

static struct log_settings settings_for(const char *error_path, const char *access_path)
{
    return (struct log_settings){
        .level = LOG_LEVEL_INFO,
        .path = error_path,
        .access = {access_path, ACCESS_FORMAT_JSON, 1 << 30, 1 << 30, 3},
    };
}

struct writer {
    struct log *log;
    unsigned index;
};

static void *write_lines(void *arg)
{
    const struct writer *writer = arg;
    const struct access_record record = {.status = 200, .method = {"GET", 3}};
    for (int i = 0; i < 1000; i++) {
        access_log_write(log_access_ring(writer->log, writer->index), &record, 1);
        if (i % 100 == 0) {
            log_info(writer->log, "worker %u at %d\nforged", writer->index, i);
        }
    }
    return NULL;
}

static void lines_of_all_threads_arrive_whole(void **state)
{
    struct bound_registry registry;
    struct log *log;
    pthread_t threads[4];
    struct writer writers[4];
    const struct log_settings settings = settings_for(path_in("error.log"), path_in("access.log"));
    struct log_figures figures;
    (void)state;
    bound_registry_init(&registry);
    assert_int_equal(log_create(&settings, 4, &registry, &log), LOG_OK);
    log_debug(log, "not at this level");
    for (unsigned i = 0; i < 4; i++) {
        writers[i] = (struct writer){log, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &writers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    log_figures(log, &figures);
    assert_int_equal(figures.lines + figures.dropped, 4040);
    log_free(&log);
    assert_null(log);
    assert_int_equal(count_lines(settings.access.path), 4000 - figures.dropped);
    assert_int_equal(count_lines(settings.path), 40);
}

static void reopening_follows_a_moved_file(void **state)
{
    struct bound_registry registry;
    struct log *log;
    const char *path = strdup(path_in("moved.log"));
    const struct log_settings settings = settings_for(path, NULL);
    char old[160];
    (void)state;
    snprintf(old, sizeof old, "%s.old", path);
    bound_registry_init(&registry);
    assert_int_equal(log_create(&settings, 1, &registry, &log), LOG_OK);
    assert_false(access_log_on(log_access_ring(log, 0)));
    log_info(log, "before");
    assert_int_equal(rename(path, old), 0);
    log_reopen(log);
    log_info(log, "after");
    log_free(&log);
    assert_int_equal(count_lines(old), 1);
    assert_int_equal(count_lines(path), 1);
    free((char *)(uintptr_t)path);
}

/* A folder with the name of the log stands in for one that this process may not write to: root may. */
static void a_file_that_cannot_be_opened_anew_is_written_on(void **state)
{
    struct log_file file = {.fd = -1};
    const char *path = strdup(path_in("taken.log"));
    char old[160];
    (void)state;
    snprintf(old, sizeof old, "%s.old", path);
    assert_true(log_file_open(&file, path, 1000));
    log_file_write(&file, "before\n", 7, 1000);
    assert_int_equal(rename(path, old), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    log_file_reopen(&file, 2000);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(null);
    log_file_write(&file, "after\n", 6, 2000);
    assert_int_equal(count_lines(old), 2);
    log_file_close(&file);
    free((char *)(uintptr_t)path);
}

static void new_settings_that_cannot_be_opened_change_nothing(void **state)
{
    struct bound_registry registry;
    struct log *log;
    const char *path = strdup(path_in("kept.log"));
    const struct log_settings settings = settings_for(path, NULL);
    const struct log_settings worse = settings_for("/nonexistent/folder/x.log", NULL);
    (void)state;
    bound_registry_init(&registry);
    assert_int_equal(log_create(&settings, 1, &registry, &log), LOG_OK);
    unsigned before = open_fds();
    assert_int_equal(log_apply(log, &worse), LOG_CANNOT_OPEN);
    assert_int_equal(errno, ENOENT);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(log_apply(log, &settings), LOG_OK);
    }
    assert_int_equal(open_fds(), before);
    log_error(log, "still here");
    log_free(&log);
    assert_int_equal(count_lines(path), 1);
    free((char *)(uintptr_t)path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_ring_drops_whole_lines_and_counts_them),
        cmocka_unit_test(rotation_keeps_the_newest_and_leaves_no_descriptor),
        cmocka_unit_test(a_full_disk_loses_lines_and_is_counted),
        cmocka_unit_test(lines_of_all_threads_arrive_whole),
        cmocka_unit_test(reopening_follows_a_moved_file),
        cmocka_unit_test(a_file_that_cannot_be_opened_anew_is_written_on),
        cmocka_unit_test(new_settings_that_cannot_be_opened_change_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
