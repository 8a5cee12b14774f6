/*
 * The file that a path names, below a folder.
 *
 * A path is decoded once. What no file can be called, and what is nobody's business, names no file: an encoded "/" or NUL, a dot
 * segment that only decoding has brought to light, a name that begins with "." (but for .well-known, RFC 8615). Slashes in a row are one.
 *
 * Owns nothing. Thread: any. Errors: false, no file has this path. Spec: RFC 3986 3.3.
 */
#ifndef EVENKEEL_PROXY_EDGE_FILE_PATH_H
#define EVENKEEL_PROXY_EDGE_FILE_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Longest path below the folder, with its end (PATH_MAX). */
#define FILE_PATH_MAX_BYTES 4096

struct file_path {
    char text
        [FILE_PATH_MAX_BYTES]; /* relative, without a slash at its ends; "": the folder itself */
    size_t bytes;
    bool folder; /* the path ends with a slash */
};

/* path begins with "/", and has no query. */
__attribute__((warn_unused_result)) bool file_path_read(const char *path, size_t bytes,
                                                        struct file_path *ret_path);

#endif
