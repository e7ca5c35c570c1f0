/* SPDX-License-Identifier: MIT */
#include "engine/http/routes.h"

#include "engine/base/utf8.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct nbx_http_route routes[] = {
    {"/v1/recommend", "POST", "recommend", NBX_HTTP_CALL, true},
    {"/v1/rank", "POST", "rank", NBX_HTTP_CALL, true},
    {"/v1/similar", "POST", "similar", NBX_HTTP_CALL, false},
    {"/v1/observe", "POST", "observe", NBX_HTTP_CALL, true},
    {"/v1/items", "POST", "item.put", NBX_HTTP_CALL, false},
    {"/v1/link", "POST", "customer.link", NBX_HTTP_CALL, true},
    {"/v1/unlink", "POST", "customer.unlink", NBX_HTTP_CALL, true},
    {"/v1/models/list", "POST", "model.list", NBX_HTTP_CALL, false},
    {"/v1/models/get", "POST", "model.get", NBX_HTTP_CALL, false},
    {"/v1/models/stage", "POST", "model.stage", NBX_HTTP_CALL, false},
    {"/v1/models/activate", "POST", "model.activate", NBX_HTTP_CALL, false},
    {"/v1/models/rollback", "POST", "model.rollback", NBX_HTTP_CALL, false},
    {"/v1/models/delete", "POST", "model.delete", NBX_HTTP_CALL, false},
    {"/healthz", "GET, HEAD", NULL, NBX_HTTP_HEALTHY, false},
    {"/readyz", "GET, HEAD", "hello", NBX_HTTP_READY, false},
};
#define N_ROUTES   (sizeof routes / sizeof routes[0])
#define PATH_BYTES 64 /* of an unknown path in a message */

static bool method_fits(const struct nbx_http_route *route, const char *method)
{
    if (route->kind == NBX_HTTP_CALL)
        return strcmp(method, "POST") == 0;
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* The method stands where it is another than before. */
static void name_known_paths(struct nbx_fault *fault, const char *path)
{
    bool shown = strlen(path) <= PATH_BYTES && nbx_utf8_valid(nbx_str_c(path));
    nbx_fault_set(fault, NBX_ENOTFOUND, NULL, "no such path%s%s; known:", shown ? ": " : "",
                  shown ? path : "");
    size_t len = strlen(fault->message);
    for (size_t i = 0; i < N_ROUTES && len < sizeof fault->message - 1; i++) {
        bool call = routes[i].kind == NBX_HTTP_CALL;
        bool as_before = i > 0 && call == (routes[i - 1].kind == NBX_HTTP_CALL);
        const char *method = as_before ? "" : call ? " POST" : " GET";
        int n = snprintf(fault->message + len, sizeof fault->message - len, "%s%s %s", i ? "," : "",
                         method, routes[i].path);
        len += n > 0 ? (size_t)n : 0;
    }
}

const struct nbx_http_route *nbx_http_route_find(const char *path, const char *method,
                                                 unsigned *code, const char **allow,
                                                 struct nbx_fault *fault)
{
    *allow = NULL;
    for (size_t i = 0; i < N_ROUTES; i++) {
        if (strcmp(path, routes[i].path) != 0)
            continue;
        if (method_fits(&routes[i], method))
            return &routes[i];
        *code = 405;
        *allow = routes[i].allow;
        nbx_fault_set(fault, NBX_EBAD, NULL, "%s takes %s", routes[i].path, routes[i].allow);
        return NULL;
    }
    *code = 404;
    name_known_paths(fault, path);
    return NULL;
}
