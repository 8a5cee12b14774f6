/*
 * Building a generation aside: nothing of it is in use until it is swapped in, and nothing is left of one that is given up.
 *
 * Owns: listeners and the book of routes (in struct control), which outlive a generation. Thread: control. Errors: NULL, and why in
 * words for the operator.
 */
#ifndef EVENKEEL_PROXY_CONTROL_GENERATION_BUILD_H
#define EVENKEEL_PROXY_CONTROL_GENERATION_BUILD_H

#include <stddef.h>
#include <stdint.h>

struct control;
struct generation;
struct settings;

/* Takes a reference on the settings. */
struct generation *generation_build(struct control *control, struct settings *settings,
                                    uint64_t number, char *why, size_t why_bytes);
/* No worker uses it. A pointer to NULL is fine. */
void generation_free(struct control *control, struct generation **generation);

/* The listeners that `keep` leaves out (NULL: all) are about to be left by the workers. */
void listeners_hush(struct control *control, const struct generation *keep);
/* Closes the listeners that `keep` leaves out: they were opened for a generation that failed, or for the one before. */
void listeners_sweep(struct control *control, const struct generation *keep);

/* Shortens the book: the rows behind were added for a generation that came to nothing, and no worker has seen them. */
void route_book_cut(struct control *control, size_t count);
void route_book_free(struct control *control);

#endif
