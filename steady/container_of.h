/* From a member to the object that embeds it. */
#ifndef EVENKEEL_STEADY_CONTAINER_OF_H
#define EVENKEEL_STEADY_CONTAINER_OF_H

#include <stddef.h>

/* `pointer` points to `member` of a `type`; its type is checked. The object's constness is that of `type`. */
#define container_of(pointer, type, member)                                       \
    ((type *)(void *)((char *)(uintptr_t)(1 ? (pointer) : &((type *)0)->member) - \
                      offsetof(type, member)))

#endif
