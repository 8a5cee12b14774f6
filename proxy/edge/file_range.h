/*
 * Parts of a file that a request asks for.
 *
 * Owns nothing. Thread: any. Errors: enum file_range_result. Spec: RFC 9110 14.1, 14.2.
 */
#ifndef EVENKEEL_PROXY_EDGE_FILE_RANGE_H
#define EVENKEEL_PROXY_EDGE_FILE_RANGE_H

#include <stddef.h>
#include <stdint.h>

/* Of one request; who asks for more gets the whole file. */
#define FILE_RANGES_MAX 16

struct file_range {
    uint64_t first, last; /* both included */
};

struct file_ranges {
    struct file_range of[FILE_RANGES_MAX];
    size_t count;
};

enum file_range_result {
    FILE_RANGE_NONE,   /* the whole file: it is no range of bytes, or costs more than the whole */
    FILE_RANGE_PARTS,  /* these, in this order */
    FILE_RANGE_BEYOND, /* none of them has a byte of the file */
};

/* value: of the field Range. */
enum file_range_result file_range_read(const char *value, size_t bytes, uint64_t file_bytes,
                                       struct file_ranges *ret_ranges);

#endif
