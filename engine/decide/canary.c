/* SPDX-License-Identifier: MIT
 * Who is answered by a canary.
 */
#include "engine/base/hash.h"
#include "engine/decide/decide.h"

/* In [0, 1): of 53 bits, which a double holds. */
static double place_of(const struct nbx_profile *p, const struct nbx_model *canary)
{
    uint64_t of[2] = {p->linked ? p->linked->parts[0].number : p->number,
                      nbx_hash64_str(nbx_model_tag(canary))};
    return (double)(nbx_hash64(of, sizeof of) >> 11) * 0x1p-53;
}

bool nbx_canary_counts(const struct nbx_recommend_req *req, const struct nbx_profile *profile)
{
    return profile->known && req->vector.n == 0;
}

const struct nbx_world *nbx_canary_world(const struct nbx_world *world,
                                         const struct nbx_recommend_req *req,
                                         const struct nbx_profile *profile)
{
    return world->canary && nbx_canary_counts(req, profile) &&
                   place_of(profile, world->canary->model) < world->canary_share
               ? world->canary
               : world;
}
