/* The logs: lines arrive, files rotate without leaving descriptors behind, what does not take lines keeps nobody waiting. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/log/log.h"
#include "proxy/log/log_file.h"
#include "proxy/log/log_ring.h"
#include "proxy/log/log_sink.h"

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

static void a_full_ring_takes_no_part_of_a_line(void **state)
{
    struct log_ring ring;
    const char *bytes;
    (void)state;
    assert_true(log_ring_init(&ring, 64));
    assert_true(log_ring_put(&ring, "0123456789012345678901234567890\n", 32));
    assert_true(log_ring_put(&ring, "abcdefghijklmnopqrstuvwxyzabcde\n", 32));
    assert_false(log_ring_put(&ring, "x\n", 2));
    assert_int_equal(ring.lines, 2);
    assert_int_equal(log_ring_peek(&ring, &bytes), 64);
    log_ring_consume(&ring, 48);
    assert_true(log_ring_put(&ring, "wraps around the end of the ring\n", 33));
    assert_int_equal(log_ring_peek(&ring, &bytes), 16);
    log_ring_consume(&ring, 16);
    assert_int_equal(log_ring_peek(&ring, &bytes), 33);
    assert_memory_equal(bytes, "wraps around", 12);
    log_ring_release(&ring);
}

static void write_whole(struct log_file *file, const char *line, uint64_t now_ms)
{
    size_t length = strlen(line), written = 0;
    bool rotated = false;
    if (log_file_due(file, length, now_ms)) {
        assert_true(log_file_rotate(file, now_ms, &rotated));
        assert_true(rotated);
    }
    assert_int_equal(log_file_write(file, line, length, now_ms, &written), LOG_FILE_OK);
    assert_int_equal(written, length);
}

static void rotation_keeps_the_newest_and_leaves_no_descriptor(void **state)
{
    struct log_file file;
    const char *path = strdup(path_in("rotate.log"));
    (void)state;
    assert_true(log_file_open(&file, path, 1000));
    file.rotation.size_bytes = 100;
    file.rotation.age_ms = 1000000;
    file.rotation.keep_count = 3;
    unsigned before = open_fds();
    for (int i = 0; i < 1000; i++) {
        char line[64];
        snprintf(line, sizeof line, "line %d ............................\n", i);
        write_whole(&file, line, 1000);
    }
    assert_int_equal(open_fds(), before);
    char name[160];
    snprintf(name, sizeof name, "%s.3", path);
    assert_int_equal(access(name, F_OK), 0);
    snprintf(name, sizeof name, "%s.4", path);
    assert_int_not_equal(access(name, F_OK), 0);
    /* by age, too */
    write_whole(&file, "old\n", 1000);
    assert_false(log_file_due(&file, 4, 1001000));
    assert_true(log_file_due(&file, 4, 2000000));
    log_file_close(&file);
    free((char *)(uintptr_t)path);
}

static void a_file_that_another_process_has_rotated_is_not_rotated_again(void **state)
{
    struct log_file file;
    const char *path = strdup(path_in("twice.log"));
    char moved[160];
    bool rotated = true;
    (void)state;
    snprintf(moved, sizeof moved, "%s.1", path);
    assert_true(log_file_open(&file, path, 1000));
    file.rotation.size_bytes = 10;
    file.rotation.age_ms = file.rotation.keep_count = 3;
    write_whole(&file, "0123456789\n", 1000);
    assert_int_equal(rename(path, moved), 0);
    assert_true(log_file_due(&file, 11, 1000));
    assert_true(log_file_rotate(&file, 1000, &rotated));
    assert_false(rotated);
    assert_int_equal(count_lines(moved), 1);
    write_whole(&file, "new\n", 1000);
    assert_int_equal(count_lines(path), 1);
    log_file_close(&file);
    free((char *)(uintptr_t)path);
}

static void a_file_that_cannot_be_opened_again_is_written_on(void **state)
{
    struct log_file file;
    const char *path = strdup(path_in("sub/kept.log"));
    char folder_path[128], moved[128], moved_file[160];
    (void)state;
    assert_int_equal(mkdir(path_in("sub"), 0700), 0);
    assert_true(log_file_open(&file, path, 1000));
    snprintf(folder_path, sizeof folder_path, "%s", path_in("sub"));
    snprintf(moved, sizeof moved, "%s", path_in("moved"));
    assert_int_equal(rename(folder_path, moved), 0);
    assert_false(log_file_reopen(&file, 1000));
    assert_int_equal(errno, ENOENT);
    write_whole(&file, "still written\n", 1000);
    snprintf(moved_file, sizeof moved_file, "%s/kept.log", moved);
    assert_int_equal(count_lines(moved_file), 1);
    log_file_close(&file);
    free((char *)(uintptr_t)path);
}

static void a_full_disk_is_told_and_takes_nothing(void **state)
{
    struct log_file file;
    size_t written = 77;
    (void)state;
    assert_true(log_file_open(&file, "/dev/full", 1000));
    assert_int_equal(log_file_write(&file, "kept\n", 5, 1000, &written), LOG_FILE_FAILED);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(written, 77);
    log_file_close(&file);
}

static void a_pipe_that_is_full_is_busy_and_gets_whole_lines(void **state)
{
    struct log_file file;
    const char *path = strdup(path_in("fifo"));
    char line[3000];
    size_t written = 0;
    (void)state;
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\n';
    char two[2 * sizeof line];
    memcpy(two, line, sizeof line);
    memcpy(two + sizeof line, line, sizeof line);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_true(log_file_open(&file, path, 1000)); /* nobody reads it yet */
    assert_int_equal(log_file_write(&file, line, sizeof line, 1000, &written), LOG_FILE_FAILED);
    assert_int_equal(errno, EPIPE);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_int_equal(log_file_write(&file, two, sizeof two, 1000, &written), LOG_FILE_OK);
    assert_int_equal(written, sizeof line);
    enum log_file_result result;
    while ((result = log_file_write(&file, two, sizeof two, 1000, &written)) == LOG_FILE_OK) {
        assert_int_equal(written, sizeof line);
    }
    assert_int_equal(result, LOG_FILE_BUSY);
    close(reader);
    assert_int_equal(log_file_write(&file, line, sizeof line, 1000, &written), LOG_FILE_FAILED);
    log_file_close(&file);
    free((char *)(uintptr_t)path);
}

static struct log_settings settings_for(const char *error_path, const char *access_path)
{
    return (struct log_settings){
        .level = LOG_LEVEL_INFO,
        .path = error_path,
        .access = {access_path, ACCESS_FORMAT_JSON, {1 << 30, 1 << 30, 3}},
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
    struct log_sink_figures access_log, error_log;
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
    log_figures(log, LOG_ACCESS, &access_log);
    log_figures(log, LOG_ERROR, &error_log);
    assert_int_equal(access_log.lines + access_log.dropped, 4000);
    assert_int_equal(error_log.lines, 40);
    assert_int_equal(error_log.dropped, 0);
    log_free(&log);
    assert_null(log);
    assert_int_equal(count_lines(settings.access.path), access_log.lines);
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

static void the_error_log_grows_without_end(void **state)
{
    struct bound_registry registry;
    struct log *log;
    const char *path = strdup(path_in("long.log"));
    struct log_settings settings = settings_for(path, NULL);
    struct log_sink_figures figures;
    char name[160];
    (void)state;
    settings.rotation = (struct rotation_settings){1000, 1 << 30, 1000};
    bound_registry_init(&registry);
    assert_int_equal(log_create(&settings, 1, &registry, &log), LOG_OK);
    for (int i = 0; i < 500; i++) {
        log_info(log, "a line of the error log, number %d", i);
    }
    log_reopen(log);
    log_figures(log, LOG_ERROR, &figures);
    log_free(&log);
    assert_true(figures.rotations > 20);
    size_t lines = count_lines(path);
    for (unsigned i = 1; i <= figures.rotations; i++) {
        struct stat info;
        snprintf(name, sizeof name, "%s.%u", path, i);
        assert_int_equal(stat(name, &info), 0);
        assert_true(info.st_size <= 1000);
        lines += count_lines(name);
    }
    assert_int_equal(lines, 500);
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

/* ---- a sink alone ---- */

/* Lines of one ring of this size each, and a sink that is not in a hurry. */
struct lone_sink {
    struct log_sink sink;
    struct log_ring *ring_pointers[64];
    struct log_ring rings[64];
    unsigned ring_count;
    char said[1024]; /* the last thing it said */
};

static void on_said(struct log_sink *sink, bool bad, const char *text, void *owner)
{
    struct lone_sink *lone = owner;
    (void)sink, (void)bad;
    snprintf(lone->said, sizeof lone->said, "%s", text);
}

static struct lone_sink *lone_sink_create(unsigned ring_count, size_t ring_bytes)
{
    struct lone_sink *lone = calloc(1, sizeof *lone);
    assert_non_null(lone);
    for (unsigned i = 0; i < ring_count; i++) {
        lone->ring_pointers[i] = &lone->rings[i];
        assert_true(log_ring_init(&lone->rings[i], ring_bytes));
    }
    lone->ring_count = ring_count;
    return lone;
}

static void lone_sink_start(struct lone_sink *lone, const char *path)
{
    struct log_file file;
    const struct log_sink_env env = {"lone", lone->ring_pointers, lone->ring_count, 60000, on_said,
                                     lone};
    assert_true(log_file_open(&file, path, 1));
    assert_true(log_sink_start(&lone->sink, &env, &file));
}

static void lone_sink_end(struct lone_sink *lone)
{
    assert_true(log_sink_end(&lone->sink, 10000));
    for (unsigned i = 0; i < lone->ring_count; i++) {
        log_ring_release(&lone->rings[i]);
    }
    free(lone);
}

struct waker {
    struct log_sink *sink;
    bool stop;
};

static void *wake_without_end(void *arg)
{
    struct waker *waker = arg;
    while (!__atomic_load_n(&waker->stop, __ATOMIC_RELAXED)) {
        log_sink_wake(waker->sink);
    }
    return NULL;
}

static void lines_that_come_during_a_reload_turn_the_log_off(void **state)
{
    struct lone_sink *lone = lone_sink_create(1, 4096);
    struct waker waker = {&lone->sink, false};
    pthread_t thread;
    const char *paths[2] = {strdup(path_in("one.log")), strdup(path_in("other.log"))};
    (void)state;
    lone_sink_start(lone, paths[0]);
    assert_int_equal(pthread_create(&thread, NULL, wake_without_end, &waker), 0);
    bool kept = true;
    for (unsigned i = 0; i < 20000 && kept; i++) {
        struct log_file file;
        assert_true(log_file_open(&file, paths[i % 2], 1));
        log_sink_swap(&lone->sink, &file);
        kept = log_sink_has_path(&lone->sink, paths[i % 2]);
    }
    __atomic_store_n(&waker.stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    lone_sink_end(lone);
    free((char *)(uintptr_t)paths[0]);
    free((char *)(uintptr_t)paths[1]);
    assert_true(kept);
}

static void full_rings_of_many_workers_are_lost_at_the_end(void **state)
{
    static char line[4096];
    struct lone_sink *lone = lone_sink_create(64, 1024 * 1024);
    const char *path = strdup(path_in("many.log"));
    size_t put_count = 0;
    (void)state;
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (unsigned i = 0; i < 64; i++) {
        while (log_ring_put(&lone->rings[i], line, sizeof line)) {
            put_count++;
        }
    }
    lone_sink_start(lone, path);
    lone_sink_end(lone);
    assert_int_equal(count_lines(path), put_count);
    assert_int_equal(unlink(path), 0);
    free((char *)(uintptr_t)path);
}

/* True when so much can be read, false if it never can. */
static bool await_bytes(int fd, int least)
{
    for (int i = 0, there = 0; i < 1000; i++) {
        struct pollfd more = {.fd = fd, .events = POLLIN};
        (void)poll(&more, 1, 10);
        if (ioctl(fd, FIONREAD, &there) == 0 && there >= least) {
            return true;
        }
    }
    return false;
}

static bool await_write_error(const struct log_sink *sink)
{
    struct log_sink_figures figures = {0};
    for (int i = 0; i < 1000 && figures.write_errors == 0; i++) {
        const struct timespec pause = {.tv_nsec = 10000000};
        nanosleep(&pause, NULL); /* between two looks at a counter */
        log_sink_figures(sink, &figures);
    }
    return figures.write_errors > 0;
}

static void the_next_reader_of_a_fifo_gets_the_rest_of_a_line(void **state)
{
    static char line[8192];
    struct lone_sink *lone = lone_sink_create(1, 65536);
    const char *path = strdup(path_in("torn.fifo"));
    char first = 0;
    (void)state;
    memset(line, 'x', sizeof line);
    line[0] = '{';
    line[sizeof line - 1] = '\n';
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0 && fcntl(reader, F_SETPIPE_SZ, 4096) == 4096);
    assert_true(log_ring_put(&lone->rings[0], line, sizeof line));
    lone_sink_start(lone, path);
    log_sink_wake(&lone->sink);
    assert_true(await_bytes(reader, 4096));
    close(reader);
    assert_true(await_write_error(&lone->sink));
    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(await_bytes(reader, 1));
    assert_int_equal(read(reader, &first, 1), 1);
    lone_sink_end(lone);
    close(reader);
    free((char *)(uintptr_t)path);
    assert_int_equal(first, '{');
}

static void a_line_that_a_full_disk_has_cut_is_begun_twice(void **state)
{
    static char line[2000];
    struct lone_sink *lone = lone_sink_create(1, 65536);
    const char *path = strdup(path_in("cut.log"));
    struct rlimit before, small;
    struct stat info;
    (void)state;
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_true(log_ring_put(&lone->rings[0], line, sizeof line));
    lone_sink_start(lone, path);
    log_sink_wake(&lone->sink);
    bool failed = await_write_error(&lone->sink);
    log_sink_reopen(&lone->sink);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    lone_sink_end(lone);
    assert_true(failed);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, sizeof line);
    free((char *)(uintptr_t)path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_ring_takes_no_part_of_a_line),
        cmocka_unit_test(rotation_keeps_the_newest_and_leaves_no_descriptor),
        cmocka_unit_test(a_file_that_another_process_has_rotated_is_not_rotated_again),
        cmocka_unit_test(a_file_that_cannot_be_opened_again_is_written_on),
        cmocka_unit_test(a_full_disk_is_told_and_takes_nothing),
        cmocka_unit_test(a_pipe_that_is_full_is_busy_and_gets_whole_lines),
        cmocka_unit_test(lines_of_all_threads_arrive_whole),
        cmocka_unit_test(reopening_follows_a_moved_file),
        cmocka_unit_test(the_error_log_grows_without_end),
        cmocka_unit_test(new_settings_that_cannot_be_opened_change_nothing),
        cmocka_unit_test(lines_that_come_during_a_reload_turn_the_log_off),
        cmocka_unit_test(full_rings_of_many_workers_are_lost_at_the_end),
        cmocka_unit_test(the_next_reader_of_a_fifo_gets_the_rest_of_a_line),
        cmocka_unit_test(a_line_that_a_full_disk_has_cut_is_begun_twice),
    };
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
