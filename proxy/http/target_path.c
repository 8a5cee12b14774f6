/* One pass over each path, writing behind what it reads. */
#include "proxy/http/target_path.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* ---- the scan ---- */

#ifdef __SSE2__

static inline unsigned bytes_equal(__m128i bytes, char byte)
{
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte)));
}

/* The shape of 16 bytes of which only those with a bit in `of` count; *slash_before: whether the byte before them is "/". */
static inline unsigned shape_of_16(const char *at, unsigned of, unsigned *slash_before)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    unsigned slashes = bytes_equal(bytes, '/') & of;
    unsigned escapes = bytes_equal(bytes, '%') & of;
    unsigned behind_slash = slashes << 1 | *slash_before;
    unsigned dotted = behind_slash & (bytes_equal(bytes, '.') | escapes) & of;
    unsigned odd = escapes | ((bytes_equal(bytes, ';') | bytes_equal(bytes, '\\')) & of) |
                   (behind_slash & slashes);
    *slash_before = slashes >> 15;
    return (dotted != 0 ? TARGET_DOTTED : 0) | (odd != 0 ? TARGET_ODD : 0);
}

unsigned target_shape(const char *target, size_t bytes)
{
    const char *end = target + bytes;
    unsigned shape = 0, slash_before = 0;
    for (; end - target >= 16; target += 16) {
        shape |= shape_of_16(target, 0xffff, &slash_before);
    }
    if (target < end) {
        /* the last bytes stand at the top of a vector that ends with them */
        unsigned left = (unsigned)(end - target);
        unsigned of = 0xffffU << (16 - left) & 0xffff;
        slash_before <<= 16 - left;
        shape |= shape_of_16(end - 16, of, &slash_before);
    }
    return shape;
}

#else

unsigned target_shape(const char *target, size_t bytes)
{
    unsigned shape = 0;
    char before = '\0';
    for (size_t i = 0; i < bytes; i++) {
        char c = target[i];
        bool escape = c == '%';
        shape |= before == '/' && (c == '.' || escape) ? TARGET_DOTTED : 0;
        shape |= escape || c == ';' || c == '\\' || (c == '/' && before == '/') ? TARGET_ODD : 0;
        before = c;
    }
    return shape;
}

#endif

size_t target_path_bytes(const char *target, size_t bytes)
{
    const char *query = memchr(target, '?', bytes);
    return query != NULL ? (size_t)(query - target) : bytes;
}

/* ---- dot segments ---- */

/* Number of dots that the segment consists of, each written "." or "%2e"; 0: it is none of "." and "..". */
static unsigned dot_count(const char *segment, size_t bytes)
{
    unsigned dots = 0;
    for (size_t i = 0; i < bytes && dots <= 2; dots++) {
        if (segment[i] == '.') {
            i++;
        } else if (bytes - i >= 3 && segment[i] == '%' && segment[i + 1] == '2' &&
                   (segment[i + 2] | 0x20) == 'e') {
            i += 3;
        } else {
            return 0;
        }
    }
    return dots <= 2 ? dots : 0;
}

/* Resolves [path, path + bytes), which begins with "/" (RFC 3986 5.2.4). */
static bool resolve_path(char *path, size_t bytes, size_t *ret_bytes)
{
    char *out = path; /* behind the segments that stay, each with the slash before it */
    const char *at = path, *end = path + bytes;
    while (at < end) {
        const char *segment = at + 1;
        const char *slash = memchr(segment, '/', (size_t)(end - segment));
        const char *segment_end = slash != NULL ? slash : end;
        unsigned dots = dot_count(segment, (size_t)(segment_end - segment));
        if (dots == 2) {
            if (out == path) {
                return false;
            }
            out = memrchr(path, '/', (size_t)(out - path));
        }
        if (dots == 0) {
            size_t whole = (size_t)(segment_end - at);
            memmove(out, at, whole);
            out += whole;
        } else if (segment_end == end) {
            *out++ = '/'; /* it named a folder */
        }
        at = segment_end;
    }
    *ret_bytes = (size_t)(out - path);
    return true;
}

bool target_resolve(char *target, size_t bytes, size_t *ret_bytes)
{
    size_t path_bytes = target_path_bytes(target, bytes), resolved_bytes;
    if (path_bytes == 0 || target[0] != '/') {
        *ret_bytes = bytes;
        return true;
    }
    if (!resolve_path(target, path_bytes, &resolved_bytes)) {
        return false;
    }
    memmove(target + resolved_bytes, target + path_bytes, bytes - path_bytes);
    *ret_bytes = resolved_bytes + (bytes - path_bytes);
    return true;
}

/* ---- readings ---- */

/* The byte at *at as a server decodes it; *at moves behind it. */
static char decoded_byte(const char **at, const char *end)
{
    const char *from = (*at)++;
    if (*from == '%' && end - from >= 3 && hex_value(from[1]) >= 0 && hex_value(from[2]) >= 0) {
        *at = from + 3;
        return (char)(hex_value(from[1]) << 4 | hex_value(from[2]));
    }
    return *from;
}

/* Where the path goes on behind "//name": at the next slash, or nowhere. */
static const char *behind_authority(const char *path, const char *end)
{
    const char *at = path;
    while (at < end && (*at == '/' || *at == '\\')) {
        at++;
    }
    if (at - path < 2) {
        return path;
    }
    while (at < end && *at != '/' && *at != '\\') {
        at++;
    }
    return at;
}

bool path_read(enum path_reading reading, const char *path, size_t bytes, char *space,
               size_t *ret_bytes)
{
    const char *end = path + bytes;
    const char *at = reading == PATH_NO_AUTHORITY ? behind_authority(path, end) : path;
    char *out = space;
    bool parameter = false;
    while (at < end) {
        char byte = decoded_byte(&at, end);
        byte = byte == '\\' ? '/' : byte;
        if (reading >= PATH_BARE && (byte == '?' || byte == '#')) {
            break;
        }
        parameter = byte != '/' && (parameter || (byte == ';' && reading >= PATH_BARE));
        if (parameter || (byte == '/' && out > space && out[-1] == '/')) {
            continue;
        }
        *out++ = byte;
    }
    if (out == space) {
        if (bytes == 0) {
            return false;
        }
        *out++ = '/';
    }
    *ret_bytes = (size_t)(out - space);
    return reading == PATH_DECODED || resolve_path(space, *ret_bytes, ret_bytes);
}
