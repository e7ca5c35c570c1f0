/* SPDX-License-Identifier: MIT
 * A simulated shop as the files that nbx, nbx-train and the tests read.
 *
 * Owns:    nothing.
 * Threads: one.
 * Errors:  NBX_ESTORAGE with a fault that names the file.
 */
#ifndef NBX_SIM_WRITE_H
#define NBX_SIM_WRITE_H

#include "models/sim/stream.h"

/* Makes the folder where it is missing and writes items.csv, customers.csv, events.csv, test.csv,
 * truth.csv and dataset.json into it. */
enum nbx_err sim_write(const struct sim_options *options, const struct sim_shop *shop,
                       const struct sim_stream *stream, struct nbx_fault *fault);

#endif
