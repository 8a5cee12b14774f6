/*
 * Warm state: what makes this process warm is restored before the first dial of the next one.
 *
 * Owns: the image read at the start, and the key (in struct control). Thread: control. What is saved is the table of sections in
 * warm.c, when: proxy/control/warm_save.h, its file: pool/warm_file.h.
 */
#ifndef EVENKEEL_PROXY_CONTROL_WARM_H
#define EVENKEEL_PROXY_CONTROL_WARM_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/warm_file.h"
#include "proxy/admin/overview.h"

struct control;
struct warm_saver;

struct warm {
    struct warm_saver *saver;
    struct warm_image image; /* until everything of it is restored */
    struct seal_key key;
    bool sealed; /* there is a key */
    uint64_t sessions_restored_count;
    struct warm_figures figures;
};

/* Reads the key and the image; false: there is to be a key but it is no good. Without an image the process starts cold. */
__attribute__((warn_unused_result)) bool warm_open(struct control *control);
/* Once the resolver knows its names. */
void warm_restore_names(struct control *control);
/* Once the first generation is built, before the workers run; lets go of the image. */
void warm_restore_rest(struct control *control);
/* What would be saved, as a container that is sealed with the key; the caller frees *ret_bytes. False: no memory. */
__attribute__((warn_unused_result)) bool warm_make(struct control *control,
                                                   const struct seal_key *key, uint8_t **ret_bytes,
                                                   size_t *ret_length);
/* A container of another replica, before the first generation: used in place of an older one. False: it is no good. */
__attribute__((warn_unused_result)) bool warm_take(struct control *control,
                                                   const struct seal_key *key, const void *bytes,
                                                   size_t length);
/* What would be saved, not sealed, as a container of its own; the caller frees *ret_bytes. False: no memory. */
__attribute__((warn_unused_result)) bool warm_snapshot(struct control *control, uint8_t **ret_bytes,
                                                       size_t *ret_length);
/* What the operator has said to the old process since its snapshot: a later one, whose bytes (from malloc) are taken over. */
__attribute__((warn_unused_result)) bool warm_take_word(struct control *control, uint8_t *bytes,
                                                        size_t length);
void warm_free(struct control *control);

#endif
