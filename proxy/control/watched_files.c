/* Marks of files, compared by tasks. */
#include "proxy/control/watched_files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "steady/check.h"
#include "steady/container_of.h"
#include "steady/hash.h"

/* A longer file is no certificate; what is behind is not read through. */
#define READ_MOST_BYTES ((size_t)4 << 20)

/* ---- on a thread of the pool ---- */

static void read_through(struct watched_file *file)
{
    char space[16384];
    struct stat info;
    int fd = open(file->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    file->found_regular = fd < 0 || (fstat(fd, &info) == 0 && S_ISREG(info.st_mode));
    if (fd < 0) {
        return;
    }
    ssize_t n = 1;
    for (size_t bytes = 0; file->found_regular && n > 0 && bytes < READ_MOST_BYTES;
         bytes += (size_t)n) {
        n = read(fd, space, sizeof space);
        n = n < 0 ? 0 : n;
    }
    close(fd);
}

static void run_look(struct task *task)
{
    const struct watched_group *group = container_of(task, struct watched_group, task);
    for (struct watched_file *file = group->first; file != NULL; file = file->next) {
        file->moved = file_mark_moved(&file->mark, file->path);
        if (file->read) {
            read_through(file);
        }
    }
}

/* ---- on control ---- */

static void destroy(struct watched_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].path);
    }
    for (unsigned i = 0; i < WATCHED_GROUPS; i++) {
        free(files->groups[i]);
    }
    text_index_release(&files->by_path);
    free(files->items);
    free(files);
}

/* A look is over, or was dropped by a pool that stops. */
static void on_home(struct task *task)
{
    struct watched_group *group = container_of(task, struct watched_group, task);
    struct watched_files *files = group->files;
    files->asked_count--;
    group->asked_ms = 0;
    group->looked = group->asked;
    for (struct watched_file *file = group->first; file != NULL; file = file->next) {
        file->changes_count += file->moved;
        file->regular = file->read ? file->found_regular : file->regular;
        file->there = file_mark_there(&file->mark);
    }
    if (files->asked_count > 0) {
        return;
    }
    if (files->left) {
        destroy(files);
    } else if (files->on_quiet != NULL) {
        files->on_quiet(files->owner);
    }
}

struct watched_files *watched_files_create(size_t space)
{
    struct watched_files *files = calloc(1, sizeof *files);
    if (files == NULL) {
        return NULL;
    }
    files->space = space;
    files->items = calloc(space + 1, sizeof *files->items);
    if (files->items == NULL) {
        free(files);
        return NULL;
    }
    return files;
}

void watched_files_free(struct watched_files **files_pointer)
{
    struct watched_files *files = *files_pointer;
    *files_pointer = NULL;
    if (files == NULL) {
        return;
    }
    files->left = true;
    if (files->asked_count == 0) {
        destroy(files);
    }
}

/* That of its folder, since a folder is what may hang. */
static uint64_t lane_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t folder_bytes = slash != NULL ? (size_t)(slash - path) : 0;
    return hash_bytes(0, path, folder_bytes);
}

/* Where the group of the lane is, or would be. Folders beyond WATCHED_GROUPS share groups. */
static unsigned place_of(const struct watched_files *files, uint64_t lane)
{
    for (unsigned i = 0; i < WATCHED_GROUPS; i++) {
        unsigned place = (unsigned)((lane + i) % WATCHED_GROUPS);
        const struct watched_group *group = files->groups[place];
        if (group == NULL || group->lane == lane) {
            return place;
        }
    }
    return (unsigned)(lane % WATCHED_GROUPS);
}

static struct watched_group *group_of(struct watched_files *files, const char *path)
{
    uint64_t lane = lane_of(path);
    struct watched_group **group = &files->groups[place_of(files, lane)];
    if (*group == NULL) {
        *group = calloc(1, sizeof **group);
    }
    if (*group != NULL && (*group)->files == NULL) {
        (*group)->files = files;
        (*group)->lane = lane;
        (*group)->task = (struct task){.run = run_look, .done = on_home, .dropped = on_home};
    }
    return *group;
}

struct watched_file *watched_files_find(const struct watched_files *files, const char *path)
{
    return files != NULL ? text_index_find(&files->by_path, path) : NULL;
}

struct watched_file *watched_files_add(struct watched_files *files, const char *path)
{
    struct watched_file *file = watched_files_find(files, path);
    if (file != NULL) {
        return file;
    }
    CHECK(files->count < files->space && files->asked_count == 0);
    struct watched_group *group = group_of(files, path);
    char *copy = strdup(path);
    file = &files->items[files->count];
    if (group == NULL || copy == NULL || !text_index_add(&files->by_path, copy, file)) {
        free(copy);
        return NULL;
    }
    *file = (struct watched_file){.path = copy, .group = group, .next = group->first};
    group->first = file;
    files->count++;
    return file;
}

void watched_files_on_quiet(struct watched_files *files, void (*on_quiet)(void *owner), void *owner)
{
    files->on_quiet = on_quiet;
    files->owner = owner;
}

void watched_files_mark(struct watched_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        (void)file_mark_moved(&files->items[i].mark, files->items[i].path);
    }
}

static void group_look(struct watched_group *group, struct task_pool *pool, struct mailbox *home,
                       uint64_t now_ms)
{
    struct watched_files *files = group->files;
    for (struct watched_file *file = group->first; file != NULL; file = file->next) {
        file->read = file->wanted;
        file->wanted = file->moved = false;
    }
    group->asked = ++files->last_asked;
    if (task_submit_on(pool, &group->task, group->lane, home) == TASK_OK) {
        group->asked_ms = now_ms;
        files->asked_count++;
    }
}

void watched_files_look(struct watched_files *files, struct task_pool *pool, struct mailbox *home,
                        uint64_t now_ms)
{
    for (unsigned i = 0; i < WATCHED_GROUPS; i++) {
        struct watched_group *group = files->groups[i];
        if (group != NULL && group->first != NULL && group->asked_ms == 0) {
            group_look(group, pool, home, now_ms);
        }
    }
}

bool watched_group_hangs(const struct watched_group *group, uint64_t now_ms)
{
    return group->asked_ms != 0 && now_ms - group->asked_ms >= WATCHED_HANG_MS;
}

const struct watched_group *watched_files_busy(const struct watched_files *files)
{
    for (unsigned i = 0; i < WATCHED_GROUPS && files->asked_count > 0; i++) {
        if (files->groups[i] != NULL && files->groups[i]->asked_ms != 0) {
            return files->groups[i];
        }
    }
    return NULL;
}

bool watched_files_hang(const struct watched_files *files, const char *path, uint64_t now_ms)
{
    const struct watched_group *group = files->groups[place_of(files, lane_of(path))];
    return group != NULL && watched_group_hangs(group, now_ms);
}

const struct watched_group *watched_files_turned(struct watched_files *files, uint64_t now_ms)
{
    for (unsigned i = 0; i < WATCHED_GROUPS; i++) {
        struct watched_group *group = files->groups[i];
        if (group != NULL && group->told != watched_group_hangs(group, now_ms)) {
            group->told = !group->told;
            return group;
        }
    }
    return NULL;
}
