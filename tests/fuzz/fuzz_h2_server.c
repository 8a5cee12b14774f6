/* Any bytes from a client of HTTP/2: see h2_oracle.h for what must hold. */
#include "tests/fuzz/h2_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    if (length_bytes < 3) {
        return 0;
    }
    oracle_begin(H2_ROLE_SERVER);
    oracle_feed(preface, sizeof preface, input,
                length_bytes); /* the NUL is the header's last byte */
    oracle_end();
    return 0;
}
