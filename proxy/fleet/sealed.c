/* AES-256-GCM with what a value is for beside it. */
#include "proxy/fleet/sealed.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/fleet/fleet_state.h"

static size_t write_beside(const struct fleet *fleet, const char *what,
                           char beside[SEALED_WHAT_BYTES + 128])
{
    int bytes = snprintf(beside, SEALED_WHAT_BYTES + 128, "evenkeel %s %s %s", FLEET_VERSION,
                         fleet->settings->fleet.name, what);
    return bytes > 0 && (size_t)bytes < SEALED_WHAT_BYTES + 128 ? (size_t)bytes : 0;
}

bool sealed_make(const struct fleet *fleet, const char *what, const void *bytes, size_t length,
                 uint8_t **ret_bytes, size_t *ret_length)
{
    char beside[SEALED_WHAT_BYTES + 128];
    size_t beside_bytes = write_beside(fleet, what, beside);
    uint8_t *sealed = beside_bytes > 0 ? malloc(length + SEAL_EXTRA_BYTES) : NULL;
    if (sealed == NULL ||
        seal_close(&fleet->key, beside, beside_bytes, bytes, length, sealed) != SEAL_OK) {
        free(sealed);
        return false;
    }
    *ret_bytes = sealed;
    *ret_length = length + SEAL_EXTRA_BYTES;
    return true;
}

bool sealed_open(const struct fleet *fleet, const char *what, const void *sealed,
                 size_t sealed_length, uint8_t **ret_bytes, size_t *ret_length)
{
    char beside[SEALED_WHAT_BYTES + 128];
    size_t beside_bytes = write_beside(fleet, what, beside);
    if (beside_bytes == 0 || sealed_length < SEAL_EXTRA_BYTES) {
        return false;
    }
    size_t length = sealed_length - SEAL_EXTRA_BYTES;
    uint8_t *bytes = malloc(length + 1);
    if (bytes == NULL ||
        seal_open(&fleet->key, beside, beside_bytes, sealed, sealed_length, bytes) != SEAL_OK) {
        free(bytes);
        return false;
    }
    bytes[length] = '\0';
    *ret_bytes = bytes;
    *ret_length = length;
    return true;
}
