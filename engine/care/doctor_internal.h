/* SPDX-License-Identifier: MIT
 * Between the files of doctor: doctor.c calls one after the other, doctor_daemon.c asks the daemon,
 * doctor_store.c, doctor_forgotten.c, doctor_models.c and doctor_bundle.c look at the folder.
 *
 * Threads: one.
 */
#ifndef NBX_CARE_DOCTOR_INTERNAL_H
#define NBX_CARE_DOCTOR_INTERNAL_H

#include "engine/care/doctor.h"
#include "engine/store/key.h"

#include <sys/types.h>

/* A daemon on the folder, as far as it can be seen. */
struct nbx_doctor__daemon {
    bool answers, ready;
    pid_t holder; /* the process that has the folder open; 0: none */
    char version[64], model[160];
    int64_t started_ms;
    struct {
        int64_t disk_full, write_stopped, background_errors, decisions_lost, resident, limit;
    } stats;
};

struct nbx_doctor__exam {
    struct nbx_doctor_report *out;
    const struct nbx_doctor_options *options;
    struct nbx_doctor__daemon daemon;
    const char *dir;
    char active[NBX_MODEL_WORD_MAX + 1]; /* version of the active model; "": none */
    const char *with_config;             /* " --config FILE" or "" */
};

/* A new check of that name; what and command are empty. */
struct nbx_doctor_check *nbx_doctor__check(struct nbx_doctor__exam *exam, const char *name);
/* Fills a check's reason. */
void nbx_doctor__say(struct nbx_doctor_check *check, enum nbx_doctor_verdict verdict,
                     const char *fmt, ...) NBX_PRINTF(3, 4);
/* Fills its command. */
void nbx_doctor__advise(struct nbx_doctor_check *check, const char *fmt, ...) NBX_PRINTF(2, 3);
/* When a file of the folder was last changed; 0 where it is not there. */
int64_t nbx_doctor__changed_ms(const char *dir, const char *name);

/* Finds the process that holds the folder and what the daemon says of itself. */
void nbx_doctor__ask(struct nbx_doctor__daemon *out, const struct nbx_doctor_options *options);
/* Whether it runs, is this folder's, takes writes, has memory left. */
void nbx_doctor__daemon(struct nbx_doctor__exam *exam);
void nbx_doctor__daemon_writes(struct nbx_doctor__exam *exam);
void nbx_doctor__daemon_memory(struct nbx_doctor__exam *exam);

/* The database opens, its history is whole, its log is, and its files are as usual. */
void nbx_doctor__store(struct nbx_doctor__exam *exam);
/* The same of a store that is open. */
void nbx_doctor__history(struct nbx_doctor__exam *exam, const struct nbx_store_health *health);
void nbx_doctor__log(struct nbx_doctor__exam *exam, const struct nbx_store *store);
void nbx_doctor__forgotten(struct nbx_doctor__exam *exam, const struct nbx_store *store);
void nbx_doctor__files(struct nbx_doctor__exam *exam, const struct nbx_store_health *health);

/* Every version of a model has its file, and the active one is whole; fills exam->active. Says
 * nothing where there are none. */
void nbx_doctor__models(struct nbx_doctor__exam *exam, const struct nbx_store *store);

/* Every bundle of the folder itself can be read, and what should serve does: the active version, or
 * the newest of them. */
void nbx_doctor__bundles(struct nbx_doctor__exam *exam);

/* What this much room on the disk comes to. */
void nbx_doctor__room(struct nbx_doctor__exam *exam, const struct nbx_store_room *room);

#endif
