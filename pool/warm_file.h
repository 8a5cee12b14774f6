/*
 * The file that keeps what makes a process warm: sections of bytes, each by its number, in a container that is whole or refused.
 *
 * Owns: struct warm_image: the bytes of one container. Thread: any; tasks write. Errors: enum warm_result. Layout (big-endian): 8 bytes magic,
 * 2 version, 2 flags, 4 zero, 8 time (ms since 1970), 8 length of the payload, 8 checksum over everything else; then the payload:
 * for each section 4 number, 4 length, its bytes. With a key the payload is sealed (tls/seal.h), the 32 bytes before the
 * checksum beside it. Sections and fields of a version never change; what reads them is free to skip a section.
 *
 * A path that is a folder is shared by several processes: each writes a file of its own there, and reads the newest valid one.
 */
#ifndef EVENKEEL_POOL_WARM_FILE_H
#define EVENKEEL_POOL_WARM_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steady/enum_names.h"
#include "steady/pack.h"
#include "tls/seal.h"

#define WARM_HEAD_BYTES 40
#define WARM_PAYLOAD_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define WARM_PATH_BYTES 4096

#define WARM_RESULTS(X)                                                         \
    X(WARM_OK, "ok")                                                            \
    X(WARM_ABSENT, "there is none")                                             \
    X(WARM_UNREADABLE, "it cannot be read")    /* errno says why */             \
    X(WARM_UNWRITABLE, "it cannot be written") /* errno says why */             \
    X(WARM_EXPOSED, "other users may read it")                                  \
    X(WARM_FOREIGN, "it is not a warm state file")                              \
    X(WARM_OTHER_VERSION, "it is of another version")                           \
    X(WARM_TORN, "it is incomplete")                                            \
    X(WARM_DAMAGED, "its checksum does not match")                              \
    X(WARM_OLD, "it is older than warm_state.max_age")                          \
    X(WARM_FUTURE, "it is from the future")                                     \
    X(WARM_NO_KEY, "it is encrypted, and there is no key")                      \
    X(WARM_PLAIN, "it is not encrypted, but there is a key")                    \
    X(WARM_WRONG_KEY, "it was encrypted with another key, or has been changed") \
    X(WARM_NO_MEMORY, "no memory, or it is too large")

enum warm_result { ENUM_VALUES(WARM_RESULTS) };
const char *warm_result_words(enum warm_result value);

/* One container, opened. */
struct warm_image {
    uint8_t *bytes; /* heap */
    size_t length;
    const uint8_t *payload;
    size_t payload_bytes;
    uint64_t saved_wall_ms;
};

void warm_image_release(struct warm_image *image);

/* Packs a section's head; what is packed after it is its content, until warm_section_end(). */
size_t warm_section_begin(struct pack *payload, uint32_t number);
void warm_section_end(struct pack *payload, size_t at);
/* The section's content; empty when it is not there. */
struct unpack warm_section(const struct warm_image *image, uint32_t number);

/* The payload as a container; key NULL: not sealed. *ret_bytes is the caller's to free. */
__attribute__((warn_unused_result)) enum warm_result warm_encode(const struct pack *payload,
                                                                 uint64_t wall_ms,
                                                                 const struct seal_key *key,
                                                                 uint8_t **ret_bytes,
                                                                 size_t *ret_length);
/* What is acceptable. */
struct warm_terms {
    uint64_t wall_ms, max_age_ms;
    const struct seal_key *key; /* NULL: none */
};
/* Opens a container in place; on success the image owns `bytes` (from malloc), else they are freed. */
__attribute__((warn_unused_result)) enum warm_result warm_decode(uint8_t *bytes, size_t length,
                                                                 const struct warm_terms *terms,
                                                                 struct warm_image *ret_image);

/* Where this process writes: the path itself or, when it is a folder, a file in it that is this owner's. */
void warm_own_path(const char *path, const char *owner, char own_path[WARM_PATH_BYTES]);
/* Replaces the file in one step, with everything on the disk before. In a folder, files that have become too old go. */
__attribute__((warn_unused_result)) enum warm_result warm_save(const char *path, const char *owner,
                                                               const uint8_t *bytes, size_t length,
                                                               const struct warm_terms *terms);
/* The file's image, or the newest valid one of a folder. from: its path; rejected: told of each file that was no good. */
typedef void warm_rejected_fn(const char *path, enum warm_result result, void *owner);
__attribute__((warn_unused_result)) enum warm_result warm_load(
    const char *path, const struct warm_terms *terms, warm_rejected_fn *rejected, void *owner,
    char ret_from[WARM_PATH_BYTES], struct warm_image *ret_image);

#endif
