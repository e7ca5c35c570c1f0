/* SPDX-License-Identifier: MIT
 * customer export: the pages of a customer put together.
 */
#include "proto/cli/cli.h"
#include "proto/cli/show.h"
#include "proto/wire.h"

#include <stdio.h>

static const struct nbx_cli_option options[] = {
    {"msgpack", NULL, NULL, "bytes of msgpack in place of JSON", NBX_CLI_YES},
};

/* Appends to the list what the page has of it. */
static void join(struct nbx_cli *cli, struct nbx_value *list, const struct nbx_value *more)
{
    struct nbx_value *both = nbx_cli_alloc(cli, ((size_t)list->n + more->n) * sizeof *both);
    if (list->n)
        memcpy(both, list->list, list->n * sizeof *both);
    if (more->n)
        memcpy(both + list->n, more->list, more->n * sizeof *both);
    list->list = both;
    list->n += more->n;
}

/* The lists of the page behind those there are; `next` goes. `linked` is whole from the first. */
static void add_page(struct nbx_cli *cli, struct nbx_value *held, const struct nbx_value *page)
{
    for (uint32_t i = 0; i < held->n; i++) {
        struct nbx_value *list = &held->members[i].value;
        const struct nbx_value *more = nbx_value_get_str(page, held->members[i].key);
        if (list->type == NBX_LIST && more && more->type == NBX_LIST)
            join(cli, list, more);
    }
}

/* Takes `next` out of the reply; empty at the end. */
static struct nbx_str take_next(struct nbx_value *reply)
{
    struct nbx_str next = nbx_cli_text(reply, "next");
    uint32_t n = 0;
    for (uint32_t i = 0; i < reply->n; i++)
        if (!nbx_str_is(reply->members[i].key, "next"))
            reply->members[n++] = reply->members[i];
    reply->n = n;
    return next;
}

static int print_msgpack(const struct nbx_value *held)
{
    struct nbx_buf b = {0};
    nbx_wire_value(&b, held);
    bool written = !b.failed && fwrite(b.p, 1, b.len, stdout) == b.len && fflush(stdout) == 0;
    nbx_buf_fini(&b);
    if (written)
        return NBX_EXIT_OK;
    fputs("nbx: storage: cannot write what is held\n", stderr);
    return NBX_EXIT_FAILED;
}

static void add_member(struct nbx_cli *cli, struct nbx_value *map, struct nbx_member member)
{
    struct nbx_member *members = nbx_cli_alloc(cli, ((size_t)map->n + 1) * sizeof *members);
    memcpy(members, map->members, map->n * sizeof *members);
    members[map->n++] = member;
    map->members = members;
}

/* All pages. What the other identities of a linked customer have, each beginning with its own
 * `customer`, stands by itself under `others`. */
static int gather(struct nbx_cli *cli, struct nbx_str customer, struct nbx_value *held)
{
    struct nbx_reply page;
    struct nbx_value body = {.type = NBX_MAP}, others = {.type = NBX_LIST}, *whose = held;
    int code = nbx_cli_call(cli, "customer.export", customer, &body, &page);
    if (code)
        return code;
    *held = page.body;
    for (struct nbx_str next = take_next(held); next.len;) {
        struct nbx_member after = {NBX_STR("after"), nbx_value_string(next)};
        body = (struct nbx_value){.type = NBX_MAP, .n = 1, .members = &after};
        if ((code = nbx_cli_call(cli, "customer.export", customer, &body, &page)))
            return code;
        next = take_next(&page.body);
        if (nbx_value_get(&page.body, "customer")) {
            join(cli, &others, &(struct nbx_value){.n = 1, .list = &page.body});
            whose = &others.list[others.n - 1];
        } else {
            add_page(cli, whose, &page.body);
        }
    }
    if (others.n)
        add_member(cli, held, (struct nbx_member){NBX_STR("others"), others});
    return NBX_EXIT_OK;
}

static int run(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    struct nbx_value held;
    int code = gather(cli, args->values[0], &held);
    if (code)
        return code;
    if (nbx_cli_own(args, "msgpack"))
        return print_msgpack(&held);
    nbx_show_json(&held);
    return NBX_EXIT_OK;
}

const struct nbx_cli_command nbx_cli_customer_export = {
    .group = "customer",
    .name = "export",
    .arguments = "CUSTOMER",
    .summary = "everything that is held of a customer, as JSON",
    NBX_CLI_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
