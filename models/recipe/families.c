/* SPDX-License-Identifier: MIT
 * The families and their settings: one table each.
 */
#include "models/ease/ease.h"
#include "models/ials/ials.h"
#include "models/neighbours/neighbours.h"
#include "models/recipe/recipe.h"
#include "models/sequence/sequence.h"
#include "models/spectral/spectral.h"

#define N(table) (sizeof(table) / sizeof *(table))
#define TRY(...)                                                                                   \
    (const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double)
#define POWERS TRY(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
#define DECAYS TRY(0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1)

static const struct nbx_setting ials[] = {
    {"dim", 1, NBX_IALS_MAX_DIM, 64, "dimensions of a factor", TRY(32, 64, 128, 256, 512),
     .whole = true},
    {"epochs", 1, 10000, NBX_IALS_DEFAULT_EPOCHS, "rounds over customers and items", .whole = true},
    {"alpha0", 0, 1e6, 0.01, "weight of pairs that were not observed",
     TRY(0.001, 0.003, 0.01, 0.03, 0.1)},
    {"lambda", 1e-9, 1e6, 0.003, "regularisation", TRY(0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)},
    {"nu", 0, 4, 1, "how regularisation grows with the number of pairs", TRY(0.5, 0.75, 1, 1.25)},
};

static const struct nbx_setting neighbours[] = {
    {"customer_power", 0, 2, 0.7, "how much less each pair of a long history says", POWERS},
    {"row_power", 0, 2, 0.6, "how much popular items of the history are held back", POWERS},
    {"column_power", 0, 2, 0.2, "how much popular candidates are held back", POWERS},
    {"keep", 1, NBX_NEIGHBOURS_MAX_KEEP, 200, "neighbours kept of an item", .whole = true},
};

static const struct nbx_setting transitions[] = {
    {"customer_power", 0, 2, 0, "how much less each step of a long history says", POWERS},
    {"row_power", 0, 2, 0.5, "how much items with many successors are held back", POWERS},
    {"column_power", 0, 2, 0.3, "how much items with many predecessors are held back", POWERS},
    {"keep", 1, NBX_NEIGHBOURS_MAX_KEEP, 500, "successors kept of an item", .whole = true},
    {"max_gap", 1, NBX_NEIGHBOURS_MAX_GAP, 10, "how far apart two items may be, in steps",
     TRY(1, 2, 3, 5, 8, 10, 15, 20, 30), .whole = true},
    {"gap_decay", 0.01, 1, 0.8, "what each step between them takes off", DECAYS},
    {"backward", 0, 1, 0, "what a pair counts the other way round",
     TRY(0, 0.1, 0.2, 0.3, 0.5, 0.7, 1)},
    {"recent", 1, 255, 10, "items of the history that count",
     TRY(1, 2, 3, 5, 7, 10, 15, 20, 30, 50), .whole = true},
    {"decay", 0.01, 1, 0.8, "what each step back in the history takes off", DECAYS},
};

static const struct nbx_setting ease[] = {
    {"customer_power", 0, 2, 0.35, "how much less each pair of a long history says",
     TRY(0, 0.1, 0.25, 0.35, 0.5, 0.7)},
    {"support", 1, NBX_EASE_MAX_SUPPORT, 200, "items that an item is predicted from",
     .whole = true},
    {"support_power", 0, 2, 0.7, "how much popular items are held back from the support",
     TRY(0.3, 0.5, 0.7, 0.9)},
    {"lambda", 1e-6, 1e6, 80, "regularisation", TRY(5, 10, 20, 40, 80, 160, 320, 640)},
    {"lambda_power", 0, 2, 0.2, "how regularisation grows with popularity", TRY(0, 0.2, 0.4, 0.6)},
    {"keep", 1, NBX_NEIGHBOURS_MAX_KEEP, 200, "items kept that an item predicts", .whole = true},
    {"recent", 1, 255, 255, "items of the history that count; 255: all", .whole = true},
    {"decay", 0.01, 1, 1, "what each step back in the history takes off",
     TRY(0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1)},
};

static const struct nbx_setting spectral[] = {
    {"dim", 1, NBX_SPECTRAL_MAX_DIM, 128, "singular vectors", TRY(32, 64, 128, 256, 512),
     .whole = true},
    {"rounds", 1, 50, 3, "subspace iterations", .whole = true},
    {"customer_power", 0, 2, 0.5, "of the matrix that is decomposed", POWERS},
    {"item_power", 0, 2, 0.5, "of the matrix that is decomposed", POWERS},
    {"in_power", 0, 2, 0.5, "how much popular items of the history are held back", POWERS},
    {"out_power", 0, 2, 0.5, "how much popular candidates are put forward", POWERS},
};

static const struct nbx_setting sequence[] = {
    {"dim", 1, NBX_SEQUENCE_MAX_DIM, 128, "dimensions, in all groups together", TRY(64, 128, 256),
     .whole = true},
    {"epochs", 1, NBX_SEQUENCE_MAX_EPOCHS, 10, "times that every step is learnt from",
     TRY(6, 10, 16), .whole = true},
    {"recent", 1, 255, 50, "items of the history that count; 256 / groups - 1 at most do",
     TRY(20, 50, 100), .whole = true},
    {"groups", 1, NBX_SEQUENCE_MAX_GROUPS, 4, "paces at which the history is looked at",
     .whole = true},
    {"batch", 1, NBX_SEQUENCE_MAX_BATCH, 1024, "steps learnt from at a time", .whole = true},
    {"rate", 1e-6, 1, 0.004, "step size at the beginning; it falls to 0", TRY(0.002, 0.004, 0.008)},
    {"history_dropout", 0, 0.95, 0.25, "share of the history's items left out of a step",
     TRY(0.1, 0.25, 0.4)},
    {"dropout", 0, 0.95, 0.25, "share of the vector's dimensions left out of a step",
     TRY(0.1, 0.25, 0.4)},
    {"weight_decay", 0, 10, 0.1, "regularisation, times the step size", TRY(0, 0.1, 0.2, 0.4)},
    {"negatives", 0, 1e6, 2048, "items that a step is told apart from; 0: all", .whole = true},
};

static const struct nbx_setting popularity[] = {
    {"half_life_days", 0, 36500, 0, "age at which an event counts half; 0: all alike",
     TRY(0, 7, 30, 90, 365), .of_times = true},
};

static const struct nbx_family_info families[NBX_FAMILIES] = {
    [NBX_FAMILY_IALS] = {"ials", "factors by implicit alternating least squares", false, ials,
                         N(ials)},
    [NBX_FAMILY_NEIGHBOURS] = {"neighbours", "items taken to together, counted", false, neighbours,
                               N(neighbours)},
    [NBX_FAMILY_TRANSITIONS] = {"transitions", "items taken to one after the other, counted", true,
                                transitions, N(transitions)},
    [NBX_FAMILY_EASE] = {"ease", "each item predicted from others by ridge regression", false, ease,
                         N(ease)},
    [NBX_FAMILY_SPECTRAL] = {"spectral", "truncated SVD of the normalised matrix", false, spectral,
                             N(spectral)},
    [NBX_FAMILY_SEQUENCE] = {"sequence",
                             "the next item from the last ones, log-bilinear, by softmax", true,
                             sequence, N(sequence)},
    [NBX_FAMILY_POPULARITY] = {"popularity", "the same score for everybody", false, popularity,
                               N(popularity)},
};

const struct nbx_family_info *nbx_family_info(enum nbx_family family)
{
    return &families[family];
}
