/* SPDX-License-Identifier: MIT */
#include "proto/cli/campaign.h"
#include "proto/cli/show.h"

#define WHERE                                                                                      \
    {"placement", "NAME", "placement", "the slot on the page", NBX_CLI_TEXT},                      \
        {"channel", "NAME", "channel", "only items offered on it", NBX_CLI_TEXT},                  \
        {"store", "ID", "store", "only items in stock there", NBX_CLI_TEXT},                       \
    {                                                                                              \
        "context", "JSON", "context", "a map about the moment", NBX_CLI_JSON                       \
    }

#define NEAR                                                                                       \
    {"vector", "JSON", "vector", "a list of numbers to rank by", NBX_CLI_JSON},                    \
    {                                                                                              \
        "space", "NAME", "space", "the vector's space", NBX_CLI_TEXT                               \
    }

#define WHICH                                                                                      \
    {"n", "N", "n", "how many (default 20)", NBX_CLI_INT},                                         \
        {"filter", "JSON", "filter", "such as '{\"field\": \"price\", \"lt\": 5000}'",             \
         NBX_CLI_JSON},                                                                            \
        {"fields", "A,B", "fields", "item fields to show (default title)", NBX_CLI_WORDS},         \
    {                                                                                              \
        "now", "TIME", "now", "decide by this clock", NBX_CLI_TIME                                 \
    }

#define HOW                                                                                        \
    {"exclude", "ITEM", "exclude", "never this item; repeatable", NBX_CLI_TEXTS},                  \
        {"exclude-seen", NULL, "exclude_seen", "leave out what the customer knows", NBX_CLI_YES},  \
        {"distinct", "group", "distinct", "one variant of each group", NBX_CLI_TEXT},              \
        {"observe", "JSON", "observe", "a list of events to apply first", NBX_CLI_JSON},           \
        {"ack", "LEVEL", "ack", "of --observe: memory (default) or durable", NBX_CLI_TEXT},        \
        {"explain", NULL, "explain", "say why", NBX_CLI_YES},                                      \
        {"record", "WHAT", "record", "none, decision (default) or shown", NBX_CLI_TEXT},           \
        {"no-personal", NULL, "personal", "the answer everybody gets", NBX_CLI_NO},                \
        {"recall", "R", "recall", "be content with this share of the exact answer", NBX_CLI_JSON}, \
    {                                                                                              \
        "timeout-ms", "MS", "timeout_ms", "busy where it must wait longer", NBX_CLI_INT            \
    }

#define MANY                                                                                       \
    {"customers", "FILE", NULL, "answer each customer of a CSV file, or of a list of ids",         \
     NBX_CLI_TEXT},                                                                                \
    {                                                                                              \
        "format", "FORMAT", NULL, "of --customers: csv (default) or jsonl", NBX_CLI_TEXT           \
    }

static const struct nbx_cli_option recommend_options[] = {WHICH, WHERE, HOW, NEAR, MANY};
static const struct nbx_cli_option rank_options[] = {WHICH, WHERE, HOW, NEAR};
static const struct nbx_cli_option similar_options[] = {WHICH, NEAR};

/* People want titles; programs say what they want. */
static int ask(struct nbx_cli *cli, const char *op, struct nbx_str key, struct nbx_value *body)
{
    static struct nbx_value title = {.type = NBX_STRING, .s = {"title", 5}};
    struct nbx_value fields = {.type = NBX_LIST, .n = 1, .list = &title};
    if (!cli->json && !nbx_value_get(body, "fields") &&
        nbx_cli_set(body, NBX_STR("fields"), fields, cli->arena))
        return NBX_EXIT_FAILED;
    return nbx_cli_run(cli, op, key, body, nbx_show_items);
}

static int run_recommend(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    struct nbx_value body = args->body;
    if (nbx_cli_own(args, "customers"))
        return nbx_cli_campaign(cli, args);
    if (nbx_cli_own(args, "format"))
        return nbx_cli_usage("--format: needs --customers FILE beside it");
    return ask(cli, "recommend", args->n ? args->values[0] : (struct nbx_str){0}, &body);
}

static int run_rank(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    struct nbx_value body = args->body;
    uint32_t n = args->n - 1;
    struct nbx_value *list = nbx_cli_alloc(cli, n * sizeof *list);
    for (uint32_t i = 0; i < n; i++)
        list[i] = nbx_value_string(args->values[i + 1]);
    struct nbx_value items = {.type = NBX_LIST, .n = n, .list = list};
    if (nbx_cli_set(&body, NBX_STR("items"), items, cli->arena))
        return NBX_EXIT_FAILED;
    struct nbx_str customer = args->values[0];
    return ask(cli, "rank", nbx_str_is(customer, "-") ? (struct nbx_str){0} : customer, &body);
}

static int run_similar(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    struct nbx_value body = args->body;
    if (args->n &&
        nbx_cli_set(&body, NBX_STR("item"), nbx_value_string(args->values[0]), cli->arena))
        return NBX_EXIT_FAILED;
    return ask(cli, "similar", (struct nbx_str){0}, &body);
}

const struct nbx_cli_command nbx_cli_recommend = {
    .name = "recommend",
    .arguments = "[CUSTOMER] | --customers FILE",
    .summary = "the best items for a customer, here, now, or for each of a file",
    .notes =
        "Without CUSTOMER: for nobody in particular.\n"
        "FILE has an id a line, or a column customer, customer_id or id; - is standard input.\n"
        "Out come rows of customer_id,rank,item_id,score and the --fields, or a JSON line for\n"
        "each customer, in the file's order. Nothing is recorded unless --record says so.\n"
        "Exit code 1 also where a row was refused.",
    NBX_CLI_OPTIONS(recommend_options),
    .max_arguments = 1,
    .run = run_recommend,
};

const struct nbx_cli_command nbx_cli_rank = {
    .name = "rank",
    .arguments = "CUSTOMER ITEM...",
    .summary = "put a list of items in a customer's order",
    .notes = "CUSTOMER - is nobody in particular.",
    NBX_CLI_OPTIONS(rank_options),
    .min_arguments = 2,
    .max_arguments = UINT32_MAX,
    .run = run_rank,
};

const struct nbx_cli_command nbx_cli_similar = {
    .name = "similar",
    .arguments = "ITEM | --vector JSON",
    .summary = "items like an item, or near a vector",
    NBX_CLI_OPTIONS(similar_options),
    .max_arguments = 1,
    .run = run_similar,
};
