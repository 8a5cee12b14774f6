/* Opening beneath a folder; the names that are tried, in order. */
#include "proxy/edge/file_search.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/http/accept_encoding.h"
#include "steady/descriptor.h"

/* ---- opening ---- */

/* EAGAIN: something above was renamed meanwhile, which an attacker could go on with. */
#define BENEATH_ATTEMPTS 4

int file_open_beneath(int folder, const char *path, int flags)
{
    const struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
                                 .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int fd = -1;
    for (int i = 0; i < BENEATH_ATTEMPTS; i++) {
        fd = (int)syscall(SYS_openat2, folder, path[0] != '\0' ? path : ".", &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) {
            break;
        }
    }
    return fd;
}

int file_open_by_walking(int folder, const char *path, int flags)
{
    char name[FILE_PATH_MAX_BYTES];
    int at = openat(folder, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (at >= 0) {
        size_t bytes = strcspn(path, "/");
        bool last = path[bytes] == '\0';
        if (bytes >= sizeof name || (bytes == 2 && memcmp(path, "..", 2) == 0)) {
            close(at);
            errno = bytes == 2 ? EXDEV : ENAMETOOLONG;
            return -1;
        }
        memcpy(name, bytes > 0 ? path : ".", bytes > 0 ? bytes : 1);
        name[bytes > 0 ? bytes : 1] = '\0';
        int next = openat(at, name, O_NOFOLLOW | O_CLOEXEC | (last ? flags : O_PATH | O_DIRECTORY));
        close_keeping_errno(at);
        if (last || next < 0) {
            return next;
        }
        at = next;
        path += bytes + 1;
    }
    return -1;
}

static int open_below(int folder, const char *path, int flags)
{
    int fd = file_open_beneath(folder, path, flags);
    return fd >= 0 || (errno != ENOSYS && errno != EPERM)
               ? fd
               : file_open_by_walking(folder, path, flags);
}

/* ---- looking ---- */

enum look {
    LOOK_FILE,
    LOOK_FOLDER,
    LOOK_NOTHING, /* nothing that is served */
    LOOK_DENIED,
    LOOK_FAILED,
};

static enum look look_of_errno(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case EINVAL: return LOOK_NOTHING;
    case EACCES:
    case EPERM:
    case ELOOP:
    case EXDEV: return LOOK_DENIED;
    default: return LOOK_FAILED;
    }
}

/* What there is at the path. */
static enum look look_at(int folder, const char *path)
{
    struct stat info;
    int fd = open_below(folder, path, O_PATH);
    if (fd < 0) {
        return look_of_errno(errno);
    }
    enum look look = fstat(fd, &info) != 0   ? look_of_errno(errno)
                     : S_ISREG(info.st_mode) ? LOOK_FILE
                     : S_ISDIR(info.st_mode) ? LOOK_FOLDER
                     : S_ISLNK(info.st_mode) ? LOOK_DENIED
                                             : LOOK_NOTHING;
    close(fd);
    return look;
}

static enum look open_file(int folder, const char *path, struct file_found *found)
{
    struct stat info;
    int fd = open_below(folder, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return look_of_errno(errno);
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return LOOK_NOTHING; /* another one since it was looked at */
    }
    found->fd = fd;
    found->bytes = (uint64_t)info.st_size;
    found->modified_ns = info.st_mtim.tv_sec > 0 ? (uint64_t)info.st_mtim.tv_sec * 1000000000U +
                                                       (uint64_t)info.st_mtim.tv_nsec
                                                 : 0;
    return LOOK_FILE;
}

/* ---- names ---- */

struct search {
    const struct file_settings *settings;
    int folder;
    unsigned codings;
    bool with_slash; /* the path ends with a slash */
    struct file_found *found;
};

/* The same file in a coding that the client takes. False: there is none. */
static bool open_coded(struct search *search)
{
    char path[sizeof search->found->name + 8];
    for (unsigned i = 0; search->settings->precompressed && i < CODING_COUNT; i++) {
        snprintf(path, sizeof path, "%s%s", search->found->name, coding_rows[i].suffix);
        if ((search->codings >> i & 1) && look_at(search->folder, path) == LOOK_FILE &&
            open_file(search->folder, path, search->found) == LOOK_FILE) {
            search->found->coding = 1U << i;
            return true;
        }
    }
    return false;
}

/* It has been looked at: a regular file of this name. */
static enum look open_named(struct search *search)
{
    return open_coded(search) ? LOOK_FILE
                              : open_file(search->folder, search->found->name, search->found);
}

static enum look try_file(struct search *search)
{
    enum look look = look_at(search->folder, search->found->name);
    return look == LOOK_FILE ? open_named(search) : look;
}

static enum file_search_result result_of(enum look look)
{
    switch (look) {
    case LOOK_FILE: return FILE_SEARCH_FOUND;
    case LOOK_DENIED: return FILE_SEARCH_DENIED;
    case LOOK_FAILED: return FILE_SEARCH_FAILED;
    case LOOK_FOLDER:
    case LOOK_NOTHING: break;
    }
    return FILE_SEARCH_NOT_FOUND;
}

/* The name is a path below the folder, with something behind it. False: it is too long. */
static bool set_name(struct search *search, const char *first, const char *second)
{
    size_t room = sizeof search->found->name;
    return (size_t)snprintf(search->found->name, room, "%s%s", first, second) < room;
}

/* The index of a folder. */
static enum file_search_result try_index(struct search *search, const struct file_path *path)
{
    enum file_search_result result = FILE_SEARCH_NOT_FOUND;
    for (size_t i = 0; i < search->settings->index_count && result == FILE_SEARCH_NOT_FOUND; i++) {
        char name[FILE_PATH_MAX_BYTES];
        snprintf(name, sizeof name, "%s%s", path->bytes > 0 ? "/" : "", search->settings->index[i]);
        if (set_name(search, path->text, name)) {
            result = result_of(try_file(search));
        }
    }
    if (result == FILE_SEARCH_FOUND && !search->with_slash) {
        close(search->found->fd);
        search->found->fd = -1;
        return FILE_SEARCH_FOLDER;
    }
    return result;
}

static enum file_search_result try_path(struct search *search, const struct file_path *path)
{
    if (!set_name(search, path->text, "")) {
        return FILE_SEARCH_NOT_FOUND;
    }
    enum look look = look_at(search->folder, search->found->name);
    if (look == LOOK_FOLDER) {
        return try_index(search, path);
    }
    /* "file/" is none */
    return look == LOOK_FILE && search->with_slash ? FILE_SEARCH_NOT_FOUND
           : look == LOOK_FILE                     ? result_of(open_named(search))
                                                   : result_of(look);
}

/* "/index.html" is a path below the folder, ".html" goes behind the path of the request. */
static enum file_search_result try_rest(struct search *search, const struct file_path *path)
{
    enum file_search_result result = FILE_SEARCH_NOT_FOUND;
    for (size_t i = 0; i < search->settings->try_count && result == FILE_SEARCH_NOT_FOUND; i++) {
        const char *one = search->settings->tries[i];
        bool named = one[0] == '/' ? set_name(search, one + 1, "")
                                   : path->bytes > 0 && !search->with_slash &&
                                         set_name(search, path->text, one);
        if (named) {
            result = result_of(try_file(search));
        }
    }
    return result;
}

enum file_search_result file_search(const struct file_settings *settings,
                                    const struct file_path *path, unsigned codings,
                                    struct file_found *ret_found)
{
    ret_found->fd = -1;
    ret_found->coding = 0;
    int folder = open(settings->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return result_of(look_of_errno(errno));
    }
    struct search search = {settings, folder, codings, path->folder, ret_found};
    enum file_search_result result = try_path(&search, path);
    if (result == FILE_SEARCH_NOT_FOUND) {
        result = try_rest(&search, path);
    }
    close(folder);
    return result;
}
