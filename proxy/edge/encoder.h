/*
 * Encoders of content codings: gzip by zlib, zstd by libzstd.
 *
 * Owns: the library's state and its share of the bound that it was made with. Thread: one. Errors: NULL where there is
 * no memory or the bound refuses; false where the library fails, and then the encoder is of no use. Spec: RFC 1952,
 * RFC 8878.
 */
#ifndef EVENKEEL_PROXY_EDGE_ENCODER_H
#define EVENKEEL_PROXY_EDGE_ENCODER_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/content_coding.h"
#include "steady/bound.h"

struct encoder;

/* What is to be written besides what the coding likes to write. */
enum encoder_aim {
    ENCODER_GOES_ON, /* nothing: more bytes follow */
    ENCODER_FLUSH,   /* all that was taken, so that it can be decoded now */
    ENCODER_END,     /* all of it, and the end of the content */
};

/* Bytes to be taken from, and space to be written to; both move on. */
struct encoder_work {
    const char *in;
    size_t in_bytes;
    char *out;
    size_t out_bytes;
};

struct encoder *encoder_create(enum content_coding coding, unsigned level, struct bound *bytes);
/* NULL is fine. */
void encoder_free(struct encoder **encoder);
/* *ret_done: everything was taken, and the aim is reached; else more space is needed. False: the library has failed. */
__attribute__((warn_unused_result)) bool encoder_step(struct encoder *encoder,
                                                      struct encoder_work *work,
                                                      enum encoder_aim aim, bool *ret_done);

#endif
