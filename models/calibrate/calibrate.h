/* SPDX-License-Identifier: MIT
 * What a bundle's scores mean: for each outcome (an event type) the probability that a customer has
 * it with an item of their list.
 *
 * Why:     value is weighed by probability, so scores must become probabilities, and be checked.
 *          Scores of a blend are standardised part by part, hence comparable between customers, so
 *          one curve serves all. Of every customer of the test file with a history the k best items
 *          are scored by the code that serves (evaluate.h); a pair of customer and item is a case,
 *          and the outcome happened where the test file has an event of that type on that item by
 *          that customer. Half of the customers, by a hash of seed and id, are what the curve is
 *          fitted on; the other half is what is said of it.
 * Owns:    nothing that outlives a call.
 * Threads: one caller; lists are made on options.threads. The same input gives the same figures on
 *          any number of them.
 * Errors:  those of nbx_dataset_read and nbx_evaluate; NBX_EBAD: the field is "outcomes" where none
 *          can be calibrated, "test" where no customer has a list. NBX_ELIMIT where memory is out.
 *
 * What is stated holds for the items of lists of k, and for customers like those of the file: all
 * of them count, whatever they did. An outcome that is rare below place k is not seen there.
 */
#ifndef NBX_MODELS_CALIBRATE_CALIBRATE_H
#define NBX_MODELS_CALIBRATE_CALIBRATE_H

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "models/bundle/bundle.h"
#include "models/calibrate/platt.h"
#include "models/calibrate/reliability.h"
#include "models/dataset/dataset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBX_CALIBRATION_KEY          "calibration" /* of a bundle's metadata */
#define NBX_CALIBRATION_MAX_OUTCOMES 16
/* The outcome of a row of the test file that has no type. */
#define NBX_CALIBRATION_UNTYPED "purchase"

struct nbx_calibrated {
    char outcome[NBX_TYPES_NAME_BYTES];
    struct nbx_platt curve;
    size_t fitted_n, fitted_positives;      /* cases the curve was fitted on */
    size_t n, positives;                    /* held-out cases, of which all below is said */
    struct nbx_reliability platt, isotonic; /* of the curve; of one of any shape, as a check */
    double ece_before;                      /* of 1 / (1 + exp(-score)) */
};

struct nbx_calibration {
    size_t k;
    bool repeat;
    uint64_t seed;
    size_t fitted_customers, customers; /* with a list: fitted on, measured on */
    size_t cold;                        /* customers of the file without one */
    struct nbx_calibrated outcomes[NBX_CALIBRATION_MAX_OUTCOMES]; /* (n_outcomes) */
    size_t n_outcomes;
    struct nbx_left_out {
        char outcome[NBX_TYPES_NAME_BYTES];
        const char *why;                      /* a constant */
    } left_out[NBX_CALIBRATION_MAX_OUTCOMES]; /* (n_left_out) */
    size_t n_left_out;
};

struct nbx_calibrate_options {
    const char *path;                                                  /* of the test file */
    char outcomes[NBX_CALIBRATION_MAX_OUTCOMES][NBX_TYPES_NAME_BYTES]; /* (n_outcomes) of types */
    size_t n_outcomes;
    const struct nbx_types *types; /* every type the test file may have; weights do not matter */
    size_t k;                      /* 1 to NBX_EVALUATE_MAX_K */
    bool repeat;                   /* as in evaluate.h */
    uint64_t seed;
    unsigned threads;
    int progress_fd; /* as in dataset.h */
};

/* The pairs of the test file of one type; outcome NULL: of every type, also such as say nothing. */
enum nbx_err nbx_calibrate_read(struct nbx_dataset **out, const char *outcome,
                                const struct nbx_calibrate_options *options,
                                struct nbx_fault *fault) NBX_MUST_CHECK;

/* test: the test file, of every type; it is read again for each outcome. */
enum nbx_err nbx_calibrate(struct nbx_calibration *out, const struct nbx_bundle_info *bundle,
                           const struct nbx_dataset *events, const struct nbx_dataset *test,
                           const struct nbx_calibrate_options *options,
                           struct nbx_fault *fault) NBX_MUST_CHECK;

/* Bytes nbx_calibrate takes beside its inputs, at most, reading again included. */
uint64_t nbx_calibrate_bound_bytes(const struct nbx_bundle_info *bundle, size_t n_customers,
                                   const struct nbx_calibrate_options *options);

/* Appends it as JSON, as models/FORMAT.md has it. Outcomes are of A-Z a-z 0-9 . _ - only. */
void nbx_calibration_write(struct nbx_buf *out, const struct nbx_calibration *c);
/* What a bundle's metadata says of its calibration; false where it says nothing that can be read.
 * left_out and cold are not kept. */
bool nbx_calibration_read(struct nbx_calibration *out, const char *metadata_json);

#endif
