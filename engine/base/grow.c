/* SPDX-License-Identifier: MIT */
#include "engine/base/grow.h"

#include <stdint.h>
#include <stdlib.h>

void *nbx_grow(void *p, size_t n, size_t *room, size_t size)
{
    size_t more = *room ? 2 * *room : NBX_GROW_FIRST;
    if (n < *room)
        return p;
    void *grown = more <= SIZE_MAX / size ? realloc(p, more * size) : NULL;
    if (grown)
        *room = more;
    return grown;
}
