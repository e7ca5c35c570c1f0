/* SPDX-License-Identifier: MIT
 * What comes next: a log-bilinear model of a customer's last items, trained by softmax.
 *
 * Why:     the log-bilinear model of Mnih and Hinton 2007 ("Three new graphical models for
 *          statistical language modelling", ICML), with items for words and a diagonal for each
 *          position. Of a history i_0, i_1, ..., most recent first,
 *              x_g = sum over p < recent of V[g][p] A[i_p]_g,     score of j = x.B[j] + b[j],
 *          A and B of `dim` dimensions that fall into `groups` equal slices g: each looks at the
 *          history at a pace V[g] of its own, which is learnt too. Every prefix of every customer's
 *          sequence predicts the item after it; the loss is cross-entropy of the softmax over all
 *          items, or over a sample of them where these are too many (sample.h). AdamW (Loshchilov
 *          and Hutter 2019), the rate rising for the first steps and falling to 0 over all epochs.
 *          It needs no state per customer: engine/score/blend serves it as a summed space.
 * Owns:    parameters, moments and scratch space; borrows the data set.
 * Threads: one caller; a call spreads over options.threads and returns when they are done.
 * Errors:  NBX_EBAD names the option; NBX_ELIMIT where memory is out; NBX_EBAD on `rate` where
 *          the numbers overflowed.
 *
 * The same seed, data and options give the same bits whatever the number of threads, on one
 * machine with one BLAS. Weights of pairs do not count.
 */
#ifndef NBX_MODELS_SEQUENCE_SEQUENCE_H
#define NBX_MODELS_SEQUENCE_SEQUENCE_H

#include "engine/base/err.h"
#include "models/dataset/dataset.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NBX_SEQUENCE_MAX_DIM    1024
#define NBX_SEQUENCE_MAX_RECENT 1024
#define NBX_SEQUENCE_MAX_GROUPS 16
#define NBX_SEQUENCE_MAX_EPOCHS 1000
#define NBX_SEQUENCE_MAX_BATCH  65536

struct nbx_sequence_options {
    size_t dim;    /* a multiple of groups */
    size_t recent; /* how many of a customer's last items count */
    size_t groups;
    unsigned epochs;       /* over which the rate falls */
    size_t batch;          /* targets to a step, at most */
    float rate;            /* of learning */
    float history_dropout; /* share of a history's items left out, 0 up to 1 */
    float dropout;         /* share of x's dimensions left out, 0 up to 1 */
    float decay;           /* of A and B by weight, each step `rate` times it */
    size_t negatives;      /* drawn for each softmax; 0, or n_items - batch and more: all items */
    uint64_t seed;
    unsigned threads;
    int progress_fd; /* as in dataset.h */
};

/* dim 64, recent 50, groups 4, 10 epochs, batch 1024, rate .003, history_dropout .2, dropout .2,
 * decay 0, negatives 2048, seed 1, threads: all processors, no progress. */
void nbx_sequence_defaults(struct nbx_sequence_options *out);

struct nbx_sequence;

/* The data set is borrowed until destroy. */
enum nbx_err nbx_sequence_new(struct nbx_sequence **out, const struct nbx_dataset *dataset,
                              const struct nbx_sequence_options *options,
                              struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_sequence_destroy(struct nbx_sequence **sequence);

/* One of options.epochs, and not more than these: every target once. loss: the targets' mean, of
 * which sampling and dropout have their share; 0 where no customer has two items. After an error
 * only destroy. */
enum nbx_err nbx_sequence_epoch(struct nbx_sequence *sequence, double *loss,
                                struct nbx_fault *fault) NBX_MUST_CHECK;
/* Epochs done. */
unsigned nbx_sequence_epochs(const struct nbx_sequence *sequence);

/* B|b (n_items, dim + 1), A|0 (n_items, dim + 1), V|0 (groups, recent + 1): borrowed until destroy,
 * changed by each epoch. */
const float *nbx_sequence_items(const struct nbx_sequence *sequence);
const float *nbx_sequence_history(const struct nbx_sequence *sequence);
const float *nbx_sequence_positions(const struct nbx_sequence *sequence);

/* Everything that the epochs to come depend on, between two epochs, into a file at its place: what
 * goes on after restore has the same bits as what was never interrupted. NBX_ESTORAGE where it
 * cannot be written. */
enum nbx_err nbx_sequence_save(const struct nbx_sequence *sequence, FILE *to,
                               struct nbx_fault *fault) NBX_MUST_CHECK;
/* From the same machine, into a model just made of the same data and options (threads and
 * progress_fd may differ), NBX_ECONFLICT otherwise. NBX_ECORRUPT where the bytes are not those that
 * were written, NBX_ESTORAGE where they cannot be read. After an error only destroy. */
enum nbx_err nbx_sequence_restore(struct nbx_sequence *sequence, FILE *from,
                                  struct nbx_fault *fault) NBX_MUST_CHECK;

/* Bytes that nbx_sequence_new takes for the data set, all of them before it returns. */
uint64_t nbx_sequence_bound_bytes(const struct nbx_dataset *dataset,
                                  const struct nbx_sequence_options *options);

#endif
