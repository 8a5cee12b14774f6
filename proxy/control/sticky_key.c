/* Where the key of sticky cookies comes from. */
#include "proxy/control/sticky_key.h"

#include <errno.h>
#include <string.h>

#include "pool/upstream.h"
#include "proxy/control/control_state.h"
#include "steady/pack.h"
#include "tls/token.h"

static const char *path_of(const struct control *control)
{
    return control->generations.settings->sticky.key_file;
}

static bool obtain(const struct control *control, struct seal_key *ret_key)
{
    if (*path_of(control) == '\0') {
        return token_key_make(ret_key);
    }
    enum seal_result result = seal_key_load(path_of(control), ret_key);
    if (result != SEAL_OK) {
        log_error(control->log, "sticky.key_file %s: %s", path_of(control),
                  result == SEAL_KEY_UNREADABLE ? strerror(errno) : seal_result_name(result));
    }
    return result == SEAL_OK;
}

bool sticky_key_begin(struct control *control)
{
    struct seal_key key;
    bool obtained = obtain(control, &key);
    if (obtained) {
        pools_set_token_key(control->pools, &key);
        seal_key_forget(&key);
    }
    return obtained;
}

void sticky_key_save(struct control *control, struct pack *pack)
{
    if (*path_of(control) == '\0') {
        pack_raw(pack, pools_token_key(control->pools)->bytes, SEAL_KEY_BYTES);
    }
}

size_t sticky_key_restore(struct control *control, struct unpack *unpack)
{
    struct seal_key key;
    const uint8_t *bytes = unpack_raw(unpack, sizeof key.bytes);
    if (bytes == NULL || *path_of(control) != '\0') {
        return 0;
    }
    memcpy(key.bytes, bytes, sizeof key.bytes);
    pools_set_token_key(control->pools, &key);
    seal_key_forget(&key);
    return 1;
}
