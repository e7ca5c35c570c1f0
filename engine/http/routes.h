/* SPDX-License-Identifier: MIT
 * The paths the gateway knows.
 */
#ifndef NBX_HTTP_ROUTES_H
#define NBX_HTTP_ROUTES_H

#include "engine/base/err.h"

#include <stdbool.h>

enum nbx_http_kind {
    NBX_HTTP_CALL,    /* JSON body in, the operation's reply out */
    NBX_HTTP_HEALTHY, /* answered here */
    NBX_HTTP_READY,   /* hello; its `ready` decides the code */
};

struct nbx_http_route {
    const char *path, *allow; /* allow: as the header has it */
    const char *op;           /* NULL where no operation is called */
    enum nbx_http_kind kind;
    bool takes_customer; /* a top-level `customer` becomes the key */
};

/* The route, or NULL with *code (404, 405) and *fault filled; *allow is then the header's value,
 * NULL where the path is unknown. */
const struct nbx_http_route *nbx_http_route_find(const char *path, const char *method,
                                                 unsigned *code, const char **allow,
                                                 struct nbx_fault *fault);

#endif
