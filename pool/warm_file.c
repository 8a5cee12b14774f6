/* The container of the warm state, and its files. */
#include "pool/warm_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steady/enum_names.h"
#include "steady/fault.h"
#include "steady/file_replace.h"
#include "steady/hash.h"

#define WARM_MAGIC "EvenWarm"
#define WARM_VERSION 1
#define WARM_FLAG_SEALED 1u
#define WARM_CHECKSUM_AT (WARM_HEAD_BYTES - 8)
/* The checksum detects damage and is not a secret, so its seed is fixed. */
#define WARM_SEED UINT64_C(0x57a7e0f5feed5eed)
/* Clocks of hosts that share a directory may differ by this much. */
#define WARM_SKEW_MS 60000
/* File name in a directory: "warm-OWNER.state". */
#define WARM_PREFIX "warm-"
#define WARM_SUFFIX ".state"
#define WARM_TEMPORARY ".new"
#define WARM_FOLDER_FILES 1024
/* A temporary file of this age belongs to no running process. */
#define WARM_TEMPORARY_S 60

ENUM_NAME_FUNCTION(warm_result_words, enum warm_result, WARM_RESULTS)

void warm_image_release(struct warm_image *image)
{
    if (image->bytes != NULL) {
        explicit_bzero(image->bytes, image->length);
    }
    free(image->bytes);
    *image = (struct warm_image){0};
}

/* ---- sections ---- */

size_t warm_section_begin(struct pack *payload, uint32_t number)
{
    pack_u32(payload, number);
    return pack_begin(payload);
}

void warm_section_end(struct pack *payload, size_t at)
{
    pack_end(payload, at);
}

struct unpack warm_section(const struct warm_image *image, uint32_t number)
{
    struct unpack payload, section;
    unpack_init(&section, NULL, 0);
    unpack_init(&payload, image->payload, image->payload_bytes);
    while (unpack_more(&payload)) {
        size_t length;
        uint32_t found = unpack_u32(&payload);
        const uint8_t *bytes = unpack_bytes(&payload, &length);
        if (bytes != NULL && found == number) {
            unpack_init(&section, bytes, length);
            return section;
        }
    }
    return section;
}

/* ---- the container ---- */

static uint64_t checksum(const uint8_t *bytes, size_t length)
{
    uint64_t head = hash_bytes(WARM_SEED, bytes, WARM_CHECKSUM_AT);
    return hash_bytes(head, bytes + WARM_HEAD_BYTES, length - WARM_HEAD_BYTES);
}

static void write_head(uint8_t *bytes, uint64_t wall_ms, uint64_t payload_bytes, bool sealed)
{
    struct pack head = {.bytes = bytes, .space = WARM_CHECKSUM_AT, .limit = WARM_CHECKSUM_AT};
    pack_raw(&head, WARM_MAGIC, 8);
    pack_u16(&head, WARM_VERSION);
    pack_u16(&head, sealed ? WARM_FLAG_SEALED : 0);
    pack_u32(&head, 0);
    pack_u64(&head, wall_ms);
    pack_u64(&head, payload_bytes);
}

static void write_checksum(uint8_t *bytes, size_t length)
{
    struct pack end = {.bytes = bytes + WARM_CHECKSUM_AT, .space = 8, .limit = 8};
    pack_u64(&end, checksum(bytes, length));
}

enum warm_result warm_encode(const struct pack *payload, uint64_t wall_ms,
                             const struct seal_key *key, uint8_t **ret_bytes, size_t *ret_length)
{
    size_t payload_bytes = payload->length + (key != NULL ? SEAL_EXTRA_BYTES : 0);
    size_t length = WARM_HEAD_BYTES + payload_bytes;
    if (payload->failed || payload->length > WARM_PAYLOAD_MAX_BYTES) {
        return WARM_NO_MEMORY;
    }
    uint8_t *bytes = fault_hits(FAULT_ALLOC) ? NULL : malloc(length);
    if (bytes == NULL) {
        return WARM_NO_MEMORY;
    }
    write_head(bytes, wall_ms, payload_bytes, key != NULL);
    if (key == NULL && payload->length > 0) {
        memcpy(bytes + WARM_HEAD_BYTES, payload->bytes, payload->length);
    } else if (key != NULL && seal_close(key, bytes, WARM_CHECKSUM_AT, payload->bytes,
                                         payload->length, bytes + WARM_HEAD_BYTES) != SEAL_OK) {
        free(bytes);
        return WARM_NO_MEMORY;
    }
    write_checksum(bytes, length);
    *ret_bytes = bytes;
    *ret_length = length;
    return WARM_OK;
}

struct head {
    uint16_t version, flags;
    uint64_t saved_wall_ms, payload_bytes;
};

static enum warm_result read_head(const uint8_t *bytes, size_t length, struct head *ret_head)
{
    struct unpack unpack;
    struct head head;
    unpack_init(&unpack, bytes, length < WARM_CHECKSUM_AT ? length : WARM_CHECKSUM_AT);
    const uint8_t *magic = unpack_raw(&unpack, 8);
    if (magic == NULL || memcmp(magic, WARM_MAGIC, 8) != 0) {
        return WARM_FOREIGN;
    }
    head.version = unpack_u16(&unpack);
    head.flags = unpack_u16(&unpack);
    (void)unpack_u32(&unpack);
    head.saved_wall_ms = unpack_u64(&unpack);
    head.payload_bytes = unpack_u64(&unpack);
    if (unpack.failed) {
        return WARM_TORN;
    }
    *ret_head = head;
    return head.version == WARM_VERSION ? WARM_OK : WARM_OTHER_VERSION;
}

static enum warm_result check_terms(const struct head *head, const struct warm_terms *terms)
{
    bool sealed = (head->flags & WARM_FLAG_SEALED) != 0;
    if (sealed != (terms->key != NULL)) {
        return sealed ? WARM_NO_KEY : WARM_PLAIN;
    }
    if (head->saved_wall_ms > terms->wall_ms &&
        head->saved_wall_ms - terms->wall_ms > WARM_SKEW_MS) {
        return WARM_FUTURE;
    }
    return terms->wall_ms > head->saved_wall_ms &&
                   terms->wall_ms - head->saved_wall_ms > terms->max_age_ms
               ? WARM_OLD
               : WARM_OK;
}

static enum warm_result check_whole(const struct head *head, const uint8_t *bytes, size_t length)
{
    struct unpack end;
    if (length < WARM_HEAD_BYTES || length - WARM_HEAD_BYTES != head->payload_bytes) {
        return WARM_TORN;
    }
    unpack_init(&end, bytes + WARM_CHECKSUM_AT, 8);
    return unpack_u64(&end) == checksum(bytes, length) ? WARM_OK : WARM_DAMAGED;
}

/* Decrypts in place: the nonce stays before the payload, the tag behind it. */
static enum warm_result open_sealed(uint8_t *bytes, size_t length, const struct seal_key *key)
{
    size_t sealed_bytes = length - WARM_HEAD_BYTES;
    uint8_t *sealed = bytes + WARM_HEAD_BYTES;
    if (sealed_bytes < SEAL_EXTRA_BYTES) {
        return WARM_TORN;
    }
    return seal_open(key, bytes, WARM_CHECKSUM_AT, sealed, sealed_bytes,
                     sealed + SEAL_NONCE_BYTES) == SEAL_OK
               ? WARM_OK
               : WARM_WRONG_KEY;
}

static enum warm_result decode(uint8_t *bytes, size_t length, const struct warm_terms *terms,
                               struct head *ret_head)
{
    enum warm_result result = read_head(bytes, length, ret_head);
    if (result == WARM_OK) {
        result = check_whole(ret_head, bytes, length);
    }
    if (result == WARM_OK) {
        result = check_terms(ret_head, terms);
    }
    if (result == WARM_OK && terms->key != NULL) {
        result = open_sealed(bytes, length, terms->key);
    }
    return result;
}

enum warm_result warm_decode(uint8_t *bytes, size_t length, const struct warm_terms *terms,
                             struct warm_image *ret_image)
{
    struct head head;
    enum warm_result result = decode(bytes, length, terms, &head);
    if (result != WARM_OK) {
        free(bytes);
        return result;
    }
    bool sealed = terms->key != NULL;
    *ret_image = (struct warm_image){
        .bytes = bytes,
        .length = length,
        .payload = bytes + WARM_HEAD_BYTES + (sealed ? SEAL_NONCE_BYTES : 0),
        .payload_bytes = (size_t)head.payload_bytes - (sealed ? SEAL_EXTRA_BYTES : 0),
        .saved_wall_ms = head.saved_wall_ms,
    };
    return WARM_OK;
}

/* ---- files ---- */

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

void warm_own_path(const char *path, const char *owner, char own_path[WARM_PATH_BYTES])
{
    if (is_folder(path)) {
        snprintf(own_path, WARM_PATH_BYTES, "%s/" WARM_PREFIX "%s" WARM_SUFFIX, path, owner);
    } else {
        snprintf(own_path, WARM_PATH_BYTES, "%s", path);
    }
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, const char *with)
{
    size_t bytes = strlen(text), with_bytes = strlen(with);
    return bytes >= with_bytes && strcmp(text + bytes - with_bytes, with) == 0;
}

/* Splits a path into the directory and the file's name, which is returned. */
static const char *split_path(const char *path, char folder[WARM_PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    snprintf(folder, WARM_PATH_BYTES, "%.*s", slash != NULL ? (int)(base - path) : 1,
             slash != NULL ? path : ".");
    return base;
}

/* Removes temporary files, and in a shared directory also states that are too old to be used. */
static void sweep(const char *own_path, bool shared, const struct warm_terms *terms)
{
    char folder[WARM_PATH_BYTES];
    const char *base = split_path(own_path, folder);
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    for (int i = 0; directory != NULL && i < WARM_FOLDER_FILES && (entry = readdir(directory));
         i++) {
        const char *name = entry->d_name;
        struct stat status;
        bool temporary = begins(name, shared ? WARM_PREFIX : base) && ends(name, WARM_TEMPORARY);
        bool state = shared && begins(name, WARM_PREFIX) && ends(name, WARM_SUFFIX);
        if ((!temporary && !state) ||
            fstatat(dirfd(directory), name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(status.st_mode)) {
            continue;
        }
        uint64_t age_ms = terms->wall_ms - (uint64_t)status.st_mtim.tv_sec * 1000;
        bool old = age_ms <= INT64_MAX && age_ms > (temporary ? WARM_TEMPORARY_S * 1000
                                                              : terms->max_age_ms + WARM_SKEW_MS);
        if (old) {
            unlinkat(dirfd(directory), name, 0);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
}

/* The rename is on disk when the directory is. */
static void sync_folder(const char *path)
{
    char folder[WARM_PATH_BYTES];
    split_path(path, folder);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!fsync(fd);
        close(fd);
    }
}

static enum warm_result replace(const char *path, const uint8_t *bytes, size_t length)
{
    char next[WARM_PATH_BYTES + 32];
    snprintf(next, sizeof next, "%s.%ld" WARM_TEMPORARY, path, (long)getpid());
    if (!file_replace(path, next, 0600, bytes, length, true)) {
        return WARM_UNWRITABLE;
    }
    sync_folder(path);
    return WARM_OK;
}

enum warm_result warm_save(const char *path, const char *owner, const uint8_t *bytes, size_t length,
                           const struct warm_terms *terms)
{
    char own_path[WARM_PATH_BYTES];
    warm_own_path(path, owner, own_path);
    enum warm_result result = replace(own_path, bytes, length);
    int why = errno;
    sweep(own_path, is_folder(path), terms);
    errno = why;
    return result;
}

static enum warm_result read_file(const char *path, uint8_t **ret_bytes, size_t *ret_length)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT ? WARM_ABSENT : WARM_UNREADABLE;
    }
    enum warm_result result = WARM_OK;
    uint8_t *bytes = NULL;
    size_t length = 0;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        result = WARM_FOREIGN;
    } else if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        result = WARM_EXPOSED;
    } else if ((uint64_t)status.st_size > WARM_PAYLOAD_MAX_BYTES + WARM_HEAD_BYTES) {
        result = WARM_NO_MEMORY;
    } else {
        length = (size_t)status.st_size;
        bytes = fault_hits(FAULT_ALLOC) ? NULL : malloc(length + 1);
        result = bytes == NULL ? WARM_NO_MEMORY : WARM_OK;
    }
    /* a file that shrinks meanwhile is damaged, which its checksum shows */
    ssize_t got = result == WARM_OK ? read(fd, bytes, length) : 0;
    if (got < 0) {
        result = WARM_UNREADABLE;
    }
    int why = errno;
    close(fd);
    if (result != WARM_OK) {
        free(bytes);
        errno = why;
        return result;
    }
    *ret_bytes = bytes;
    *ret_length = (size_t)got;
    return WARM_OK;
}

static enum warm_result load_file(const char *path, const struct warm_terms *terms,
                                  struct warm_image *ret_image)
{
    uint8_t *bytes;
    size_t length;
    enum warm_result result = read_file(path, &bytes, &length);
    return result == WARM_OK ? warm_decode(bytes, length, terms, ret_image) : result;
}

enum warm_result warm_load(const char *path, const struct warm_terms *terms,
                           warm_rejected_fn *rejected, void *owner, char ret_from[WARM_PATH_BYTES],
                           struct warm_image *ret_image)
{
    struct warm_image best = {0}, image;
    bool shared = is_folder(path);
    DIR *directory = shared ? opendir(path) : NULL;
    const struct dirent *entry;
    if (!shared) {
        snprintf(ret_from, WARM_PATH_BYTES, "%s", path);
        return load_file(path, terms, ret_image);
    }
    for (int i = 0; directory != NULL && i < WARM_FOLDER_FILES && (entry = readdir(directory));
         i++) {
        char file[WARM_PATH_BYTES];
        if (!begins(entry->d_name, WARM_PREFIX) || !ends(entry->d_name, WARM_SUFFIX) ||
            (size_t)snprintf(file, sizeof file, "%s/%s", path, entry->d_name) >= sizeof file) {
            continue;
        }
        enum warm_result result = load_file(file, terms, &image);
        if (result != WARM_OK) {
            rejected(file, result, owner);
        } else if (best.bytes == NULL || image.saved_wall_ms > best.saved_wall_ms) {
            warm_image_release(&best);
            best = image;
            memcpy(ret_from, file, sizeof file);
        } else {
            warm_image_release(&image);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    if (best.bytes == NULL) {
        return directory != NULL ? WARM_ABSENT : WARM_UNREADABLE;
    }
    *ret_image = best;
    return WARM_OK;
}
