/*
 * The answer to a request for a file that was found: its status, its head, and which bytes follow in which order.
 *
 * Owns nothing. Thread: the worker's. Time base: seconds since 1970. Spec: RFC 9110 13, 14, 15.3.7, 15.4.5, 15.5.17.
 */
#ifndef EVENKEEL_PROXY_EDGE_FILE_PLAN_H
#define EVENKEEL_PROXY_EDGE_FILE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/edge/file_condition.h"
#include "proxy/edge/file_range.h"
#include "proxy/edge/file_search.h"
#include "proxy/http/http_head.h"
#include "proxy/http/respond.h"

/* A boundary of multipart/byteranges and its end. */
#define FILE_BOUNDARY_BYTES 32
/* Text before a part and behind the last one. */
#define FILE_FRAME_BYTES 320

struct file_plan {
    const char *type;   /* of the file */
    const char *coding; /* NULL: as it is */
    bool varies;        /* the file may be sent in several codings */
    uint16_t status;    /* 200, 206, 304, 412, 416 */
    struct file_validators validators;
    uint64_t file_bytes;
    struct file_ranges parts;           /* the whole file is one part; an empty one has none */
    char boundary[FILE_BOUNDARY_BYTES]; /* "": a single part */
    size_t part;                        /* the present one */
    uint64_t part_done_bytes;
};

/* random: for the boundary. */
void file_plan_make(struct file_plan *plan, const struct http_head *request,
                    const struct file_settings *settings, const struct file_found *found,
                    int64_t now_s, uint64_t random);

/* The head of an answer with 200, 206 or 304. */
void file_plan_describe(const struct file_plan *plan, int64_t now_s, struct own_response *ret_own);

/* Whether nothing is left to be sent. */
bool file_plan_over(const struct file_plan *plan);
/* What is to be read next, at most so many bytes; not called when it is over. */
struct file_range file_plan_next(const struct file_plan *plan, size_t most_bytes);
/* So many bytes of it go out now: writes what stands before them and behind them into FILE_FRAME_BYTES of space each, and goes
   on to the next part. */
void file_plan_advance(struct file_plan *plan, size_t bytes, char *before, size_t *ret_before_bytes,
                       char *behind, size_t *ret_behind_bytes);

#endif
