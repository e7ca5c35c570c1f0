/* SPDX-License-Identifier: MIT */
#include "proto/cli/cli.h"

#include "engine/base/value_floats.h"
#include "proto/cli/show.h"
#include "proto/client/ask.h"
#include "proto/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int print_failure(struct nbx_str status, struct nbx_str field, struct nbx_str message)
{
    fprintf(stderr, "nbx: %.*s: ", NBX_STR_ARG(status));
    if (field.len)
        fprintf(stderr, "%.*s: ", NBX_STR_ARG(field));
    fprintf(stderr, "%.*s\n", NBX_STR_ARG(message));
    return NBX_EXIT_FAILED;
}

int nbx_cli_fail(const struct nbx_fault *fault)
{
    return print_failure(nbx_str_c(nbx_err_status(fault->code)), nbx_str_c(fault->field),
                         nbx_str_c(fault->message));
}

int nbx_cli_usage(const char *fmt, ...)
{
    va_list args;
    fputs("nbx: usage: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputs("\n", stderr);
    return NBX_EXIT_USAGE;
}

void *nbx_cli_alloc(struct nbx_cli *cli, size_t size)
{
    void *p = nbx_arena_alloc(cli->arena, size);
    if (p)
        return p;
    fputs("nbx: limit: out of memory\n", stderr);
    exit(NBX_EXIT_FAILED);
}

int nbx_cli_connect(struct nbx_cli *cli)
{
    if (cli->client)
        return NBX_EXIT_OK;
    enum nbx_err err = nbx_client_new(&cli->client, cli->endpoint);
    if (err == NBX_EBAD)
        return nbx_cli_usage("--endpoint: %s is not an endpoint such as tcp://127.0.0.1:7741",
                             cli->endpoint);
    if (!err)
        return NBX_EXIT_OK;
    struct nbx_fault fault;
    nbx_fault_set(&fault, err, NULL, "no memory or descriptor for a connection");
    return nbx_cli_fail(&fault);
}

static int report_no_reply(const struct nbx_cli *cli, enum nbx_err err)
{
    struct nbx_fault fault;
    nbx_ask_no_reply(cli->endpoint, cli->timeout_ms, err, &fault);
    return nbx_cli_fail(&fault);
}

int nbx_cli_call(struct nbx_cli *cli, const char *op, struct nbx_str key,
                 const struct nbx_value *body, struct nbx_reply *reply)
{
    int code = nbx_cli_connect(cli);
    if (code)
        return code;
    struct nbx_buf b = {0};
    nbx_wire_value(&b, body);
    struct nbx_request request = {op, key, {(const char *)b.p, (uint32_t)b.len}, 0};
    enum nbx_err err =
        b.failed ? NBX_ELIMIT
                 : nbx_client_call(cli->client, &request, cli->timeout_ms, cli->arena, reply);
    nbx_buf_fini(&b);
    if (err)
        return report_no_reply(cli, err);
    if (nbx_str_is(reply->status, "ok"))
        return nbx_value_spread_bins(&reply->body, cli->arena) ? report_no_reply(cli, NBX_ELIMIT)
                                                               : NBX_EXIT_OK;
    return print_failure(reply->status, nbx_cli_text(&reply->body, "field"),
                         nbx_cli_text(&reply->body, "message"));
}

int nbx_cli_run(struct nbx_cli *cli, const char *op, struct nbx_str key,
                const struct nbx_value *body,
                void (*show)(struct nbx_cli *cli, const struct nbx_value *reply))
{
    struct nbx_reply reply;
    int code = nbx_cli_call(cli, op, key, body, &reply);
    if (code)
        return code;
    if (cli->json)
        nbx_show_json(&reply.body);
    else
        show(cli, &reply.body);
    return NBX_EXIT_OK;
}

uint32_t nbx_cli_report_entries(const struct nbx_value *reply, const char *list)
{
    const struct nbx_value *errors = nbx_value_get(reply, "errors");
    uint32_t n = errors && errors->type == NBX_LIST ? errors->n : 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct nbx_value *error = &errors->list[i];
        struct nbx_str field = nbx_cli_text(error, "field");
        struct nbx_str message = nbx_cli_text(error, "message");
        fprintf(stderr, "nbx: bad_request: %s[%lld]%s%.*s: %.*s\n", list,
                (long long)nbx_cli_int(error, "index"), field.len ? "." : "", NBX_STR_ARG(field),
                NBX_STR_ARG(message));
    }
    return n;
}

struct nbx_str nbx_cli_text(const struct nbx_value *map, const char *key)
{
    const struct nbx_value *v = nbx_value_get(map, key);
    return v && v->type == NBX_STRING ? v->s : (struct nbx_str){0};
}

int64_t nbx_cli_int(const struct nbx_value *map, const char *key)
{
    const struct nbx_value *v = nbx_value_get(map, key);
    return v && v->type == NBX_INT ? v->i : 0;
}
