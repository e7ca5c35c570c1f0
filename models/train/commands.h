/* SPDX-License-Identifier: MIT
 * The commands of nbx-train. Each reads its own options and returns the exit code.
 *
 * Threads: one; called once per process.
 * Errors:  a line on stderr, and enum nbx_exit.
 */
#ifndef NBX_MODELS_TRAIN_COMMANDS_H
#define NBX_MODELS_TRAIN_COMMANDS_H

/* argv[0] is the command's name. */
int nbx_train_fit(int argc, char **argv);
int nbx_train_tune(int argc, char **argv);
int nbx_train_auto(int argc, char **argv);
int nbx_train_evaluate(int argc, char **argv);
int nbx_train_calibrate(int argc, char **argv);

#endif
