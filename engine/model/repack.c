/* SPDX-License-Identifier: MIT
 * Packing an index anew, aside: begun and ended by the writer, run by anybody.
 */
#include "engine/model/model_internal.h"
#include "engine/score/approximate.h"

#include <stdlib.h>

struct nbx_repack {
    struct nbx_model_base *base; /* a share, so that no other bundle takes its address */
    size_t space;
    struct nbx_index *view;
    struct nbx_model_angles angles; /* of the view */
    struct nbx_packed *fresh;
    struct nbx_caps *caps; /* of the fresh pack */
    enum nbx_err err;
};

enum nbx_err nbx_repack_begin(struct nbx_repack **out, const struct nbx_model *m)
{
    static const struct nbx_index_changes none;
    size_t s = 0;
    *out = NULL;
    while (s < nbx_model_n_spaces(m) && !nbx_index_wants_repacking(m->index[s]))
        s++;
    if (s == nbx_model_n_spaces(m))
        return NBX_OK;
    struct nbx_repack *r = calloc(1, sizeof *r);
    if (!r)
        return NBX_ELIMIT;
    r->space = s;
    r->base = m->base;
    r->base->users++;
    enum nbx_err err = nbx_index_change(&r->view, m->index[s], &none);
    if (!err)
        err = nbx_model__share_angles(&r->angles, &m->angles[s], r->view);
    if (err)
        nbx_repack_discard(&r);
    *out = r;
    return err;
}

void nbx_repack_run(struct nbx_repack *r)
{
    r->err = nbx_index_repack(&r->fresh, r->view, NULL);
    if (!r->err)
        r->err = nbx_approximation_measure(r->fresh);
    if (!r->err && r->angles.weights)
        r->err = nbx_caps_new(&r->caps, r->fresh, &r->angles.weights->column);
}

/* The model `now` with the index of one space replaced. */
static enum nbx_err replace(struct nbx_model **out, const struct nbx_model *now,
                            struct nbx_repack *r)
{
    static const struct nbx_index_changes none;
    static const struct nbx_model_changed unchanged;
    enum nbx_err err = nbx_model__new(out, now->base);
    for (size_t s = 0; !err && s < nbx_model_n_spaces(now); s++) {
        (*out)->n_own[s] = now->n_own[s];
        err = s == r->space ? nbx_index_adopt(&(*out)->index[s], now->index[s], r->view, &r->fresh)
                            : nbx_index_change(&(*out)->index[s], now->index[s], &none);
        if (!err)
            err = nbx_model__measure_again(*out, s, &now->angles[s], &unchanged,
                                           s == r->space ? r->caps : NULL);
    }
    if (err)
        nbx_model_release(out);
    else
        nbx_model__fill_spaces(*out);
    return err;
}

enum nbx_err nbx_repack_end(struct nbx_model **out, const struct nbx_model *now,
                            struct nbx_repack **r)
{
    *out = NULL;
    enum nbx_err err = (*r)->err;
    if (!err)
        err = now && now->base == (*r)->base ? replace(out, now, *r) : NBX_ECONFLICT;
    nbx_repack_discard(r);
    return err;
}

void nbx_repack_discard(struct nbx_repack **r)
{
    if (!r || !*r)
        return;
    nbx_caps_release(&(*r)->caps);
    nbx_packed_release(&(*r)->fresh);
    nbx_model__release_angles(&(*r)->angles, (*r)->base->budget);
    nbx_index_destroy(&(*r)->view);
    nbx_model__release_base((*r)->base);
    free(*r);
    *r = NULL;
}
