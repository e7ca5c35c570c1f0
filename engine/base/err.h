/* SPDX-License-Identifier: MIT
 * Error codes, and the fault that names a field and a reason.
 *
 * Why:     one enumeration from the disk to the wire; a reply's status is nbx_err_status(code).
 * Owns:    nothing.
 * Threads: any.
 * Errors:  a function that can fail returns enum nbx_err, 0 for success; where the caller must
 *          be told which field was wrong it also takes a struct nbx_fault.
 */
#ifndef NBX_BASE_ERR_H
#define NBX_BASE_ERR_H

#define NBX_MUST_CHECK   __attribute__((warn_unused_result))
#define NBX_PRINTF(f, a) __attribute__((format(printf, f, a)))

enum nbx_err {
    NBX_OK = 0,
    NBX_EBAD = -1,      /* the input is wrong: bad_request */
    NBX_ENOTFOUND = -2, /* not_found */
    NBX_EBUSY = -3,     /* a queue is full or a wait was too long: busy */
    NBX_ELIMIT = -4,    /* a stated limit is reached, memory among them: limit */
    NBX_EDENIED = -5,   /* denied */
    NBX_ECONFLICT = -6, /* contradicts what is stored: conflict */
    NBX_ESTORAGE = -7,  /* disk full, read or write error: storage */
    NBX_EINTERNAL = -8, /* a defect of ours: internal */
    NBX_ECORRUPT = -9,  /* stored bytes fail their checksum or make no sense: storage */
    NBX_EVERSION = -10, /* a format newer than this program: storage */
};

#define NBX_FAULT_FIELD_BYTES   160
#define NBX_FAULT_MESSAGE_BYTES 320

/* Which field was wrong and why. field is empty where the whole input is at fault. */
struct nbx_fault {
    enum nbx_err code;
    char field[NBX_FAULT_FIELD_BYTES];
    char message[NBX_FAULT_MESSAGE_BYTES];
};

/* The wire status of a code: "ok", "bad_request", "not_found", "busy", ... Never NULL. */
const char *nbx_err_status(enum nbx_err code);

/* Fills *fault (which may be NULL) and returns code, so that a refusal is one statement:
 *     return nbx_fault_set(fault, NBX_EBAD, "n", "must be 1 to 1000, got %d", n);
 * field may be NULL. Long texts are cut, always on a UTF-8 boundary. */
enum nbx_err nbx_fault_set(struct nbx_fault *fault, enum nbx_err code, const char *field,
                           const char *fmt, ...) NBX_PRINTF(4, 5);

/* Puts `prefix` before the field: "events[3]" + "type" gives "events[3].type". */
void nbx_fault_prefix(struct nbx_fault *fault, const char *fmt, ...) NBX_PRINTF(2, 3);

#endif
