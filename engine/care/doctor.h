/* SPDX-License-Identifier: MIT
 * What is wrong with a data folder and the daemon on it, since when, and what to do.
 *
 * Why:     whoever is woken at night wants one screen, whether the daemon runs or not.
 * Owns:    nothing: looks, changes nothing.
 * Threads: the caller's alone; the folder may be a running daemon's.
 * Errors:  none: what cannot be found out is a check's verdict.
 */
#ifndef NBX_CARE_DOCTOR_H
#define NBX_CARE_DOCTOR_H

#include "engine/base/err.h"
#include "engine/store/store.h"

enum nbx_doctor_verdict {
    NBX_DOCTOR_OK,
    NBX_DOCTOR_WARN,    /* works, and somebody should look */
    NBX_DOCTOR_WRONG,   /* does not work as it is */
    NBX_DOCTOR_DAMAGED, /* stored data is damaged, or newer than this program */
};

#define NBX_DOCTOR_TEXT_BYTES 512
#define NBX_DOCTOR_CHECKS     14

struct nbx_doctor_check {
    enum nbx_doctor_verdict verdict;
    const char *name; /* "disk", static */
    char what[NBX_DOCTOR_TEXT_BYTES];
    char command[NBX_DOCTOR_TEXT_BYTES]; /* to run now; empty where all is well */
    int64_t since_ms;                    /* at the earliest; 0: nothing tells */
};

struct nbx_doctor_report {
    struct nbx_doctor_check checks[NBX_DOCTOR_CHECKS]; /* (n) */
    size_t n;
    enum nbx_doctor_verdict worst;
};

struct nbx_doctor_options {
    const struct nbx_store_options *store; /* as the daemon opens it */
    const char *endpoint;                  /* the daemon's, as its settings have it */
    const char *version;                   /* of this program */
    const char *config;                    /* the settings' file, for commands; NULL: none */
    int timeout_ms;                        /* how long the daemon may take to answer */
    int64_t now_ms;
};

/* Asks the daemon, where one answers, and looks at the folder: its database, opened read-only, its
 * bundles, its disk. */
void nbx_doctor(struct nbx_doctor_report *out, const struct nbx_doctor_options *options);

/* "ok", "warn", "WRONG"; damaged is WRONG as well. */
const char *nbx_doctor_word(enum nbx_doctor_verdict verdict);

#endif
