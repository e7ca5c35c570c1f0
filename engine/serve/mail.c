/* SPDX-License-Identifier: MIT */
#include "engine/serve/mail.h"

#include "engine/base/check.h"

void nbx_mail__send(struct nbx_ring *ring, struct nbx_bell *bell, void *mail)
{
    NBX_ASSERT(nbx_ring_push(ring, mail) == NBX_OK);
    nbx_bell_ring(bell);
}
