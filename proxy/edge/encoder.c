/* Both libraries keep a window of the content and tables for finding repetitions in it: that is their memory. */
#include "proxy/edge/encoder.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "steady/fault.h"

/* zlib: the largest window (32 KiB) in gzip's format, and its usual tables. */
#define GZIP_WINDOW_BITS (15 + 16)
#define GZIP_MEMORY_LEVEL 8
/* By zlib's own formula, with what it adds for itself. */
#define GZIP_BYTES ((1u << 17) + (1u << 17) + (8u << 10))
/* zstd: a window as large, since a larger one brings little at the low levels, and costs memory twice. */
#define ZSTD_WINDOW_LOG 15
/* What it takes at the lowest level; the rest is counted when it is known. */
#define ZSTD_LEAST_BYTES (256u << 10)

struct encoder {
    enum content_coding coding;
    struct bound *bound;
    size_t bytes; /* of the bound */
    z_stream gzip;
    ZSTD_CCtx *zstd;
};

static bool grow_to(struct encoder *encoder, size_t bytes)
{
    if (bytes > encoder->bytes && !bound_take(encoder->bound, bytes - encoder->bytes)) {
        return false;
    }
    encoder->bytes = bytes > encoder->bytes ? bytes : encoder->bytes;
    return true;
}

static bool init_gzip(struct encoder *encoder, int level)
{
    return grow_to(encoder, GZIP_BYTES) &&
           deflateInit2(&encoder->gzip, level, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
                        Z_DEFAULT_STRATEGY) == Z_OK;
}

static bool set_zstd(ZSTD_CCtx *zstd, ZSTD_cParameter name, int value)
{
    return !ZSTD_isError(ZSTD_CCtx_setParameter(zstd, name, value));
}

/* The first step, even of nothing, takes the memory that all others use. */
static bool init_zstd(struct encoder *encoder, int level)
{
    ZSTD_inBuffer nothing = {"", 0, 0};
    ZSTD_outBuffer nowhere = {NULL, 0, 0};
    if (!grow_to(encoder, ZSTD_LEAST_BYTES)) {
        return false;
    }
    encoder->zstd = ZSTD_createCCtx();
    return encoder->zstd != NULL && set_zstd(encoder->zstd, ZSTD_c_compressionLevel, level) &&
           set_zstd(encoder->zstd, ZSTD_c_windowLog, ZSTD_WINDOW_LOG) &&
           !ZSTD_isError(
               ZSTD_compressStream2(encoder->zstd, &nowhere, &nothing, ZSTD_e_continue)) &&
           grow_to(encoder, ZSTD_sizeof_CCtx(encoder->zstd));
}

struct encoder *encoder_create(enum content_coding coding, unsigned level, struct bound *bytes)
{
    struct encoder *encoder = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *encoder);
    if (encoder == NULL) {
        return NULL;
    }
    encoder->coding = coding;
    encoder->bound = bytes;
    bool made =
        coding == CODING_GZIP ? init_gzip(encoder, (int)level) : init_zstd(encoder, (int)level);
    if (!made) {
        encoder_free(&encoder);
    }
    return encoder;
}

void encoder_free(struct encoder **encoder_pointer)
{
    struct encoder *encoder = *encoder_pointer;
    if (encoder == NULL) {
        return;
    }
    if (encoder->coding == CODING_GZIP) {
        (void)deflateEnd(&encoder->gzip);
    }
    ZSTD_freeCCtx(encoder->zstd);
    bound_give(encoder->bound, encoder->bytes);
    free(encoder);
    *encoder_pointer = NULL;
}

/* An incomplete flush is shown by the space being full, and goes on with the same aim. */
static bool step_gzip(z_stream *gzip, struct encoder_work *work, enum encoder_aim aim,
                      bool *ret_done)
{
    static const int flushes[] = {
        [ENCODER_GOES_ON] = Z_NO_FLUSH, [ENCODER_FLUSH] = Z_SYNC_FLUSH, [ENCODER_END] = Z_FINISH};
    gzip->next_in = (Bytef *)(uintptr_t)work->in;
    gzip->avail_in = (uInt)work->in_bytes;
    gzip->next_out = (Bytef *)work->out;
    gzip->avail_out = (uInt)work->out_bytes;
    int result = deflate(gzip, flushes[aim]);
    work->in = (const char *)gzip->next_in;
    work->in_bytes = gzip->avail_in;
    work->out = (char *)gzip->next_out;
    work->out_bytes = gzip->avail_out;
    *ret_done =
        aim == ENCODER_END ? result == Z_STREAM_END : gzip->avail_in == 0 && gzip->avail_out > 0;
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR;
}

static bool step_zstd(ZSTD_CCtx *zstd, struct encoder_work *work, enum encoder_aim aim,
                      bool *ret_done)
{
    static const ZSTD_EndDirective ends[] = {[ENCODER_GOES_ON] = ZSTD_e_continue,
                                             [ENCODER_FLUSH] = ZSTD_e_flush,
                                             [ENCODER_END] = ZSTD_e_end};
    ZSTD_inBuffer in = {work->in, work->in_bytes, 0};
    ZSTD_outBuffer out = {work->out, work->out_bytes, 0};
    size_t left = ZSTD_compressStream2(zstd, &out, &in, ends[aim]);
    work->in += in.pos;
    work->in_bytes -= in.pos;
    work->out += out.pos;
    work->out_bytes -= out.pos;
    *ret_done = aim == ENCODER_GOES_ON ? work->in_bytes == 0 : left == 0;
    return !ZSTD_isError(left);
}

bool encoder_step(struct encoder *encoder, struct encoder_work *work, enum encoder_aim aim,
                  bool *ret_done)
{
    return encoder->coding == CODING_GZIP ? step_gzip(&encoder->gzip, work, aim, ret_done)
                                          : step_zstd(encoder->zstd, work, aim, ret_done);
}
