/* SPDX-License-Identifier: MIT */
#include "engine/blas/blas.h"
#include "models/train/arguments.h"
#include "models/train/commands.h"

#include "version.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "nbx-train learns models from events and says how good they are.\n"
    "\n"
    "    nbx-train fit       --events FILE --out BUNDLE [...]    learn and write a bundle\n"
    "    nbx-train auto      --events FILE --minutes M --out BUNDLE [...]\n"
    "                        find out what suits the data, learn it and write a bundle\n"
    "    nbx-train auto      --from ENDPOINT --minutes M [...]\n"
    "                        the same of a running daemon's events, and push it there\n"
    "    nbx-train tune      --events FILE --minutes M --out RECIPE [...]    find it out only\n"
    "    nbx-train evaluate  --bundle BUNDLE --events FILE --test FILE [...]\n"
    "                        how well its lists find what customers took to later\n"
    "    nbx-train calibrate --bundle BUNDLE --events FILE --test FILE --out BUNDLE [...]\n"
    "                        from scores to probabilities of purchases, clicks and so on\n"
    "    nbx-train COMMAND --help                                every option of a command\n"
    "    nbx-train --version\n"
    "\n"
    "Exit codes: 0 done, 1 a file is missing or wrong or memory is out, 2 wrong usage.\n";

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"fit", nbx_train_fit},
                    {"tune", nbx_train_tune},
                    {"auto", nbx_train_auto},
                    {"evaluate", nbx_train_evaluate},
                    {"calibrate", nbx_train_calibrate}};
    const char *name = argc > 1 ? argv[1] : "";
    nbx_blas_init();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        fputs(usage, stdout);
        return NBX_EXIT_OK;
    }
    if (strcmp(name, "--version") == 0) {
        printf("nbx-train %s (%s)\n", NBX_VERSION, NBX_COMMIT);
        return NBX_EXIT_OK;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (name[0])
        fprintf(
            stderr,
            "nbx-train: unknown command \"%s\", known are fit, tune, auto, evaluate, calibrate\n",
            name);
    else
        fputs(usage, stderr);
    return NBX_EXIT_USAGE;
}
