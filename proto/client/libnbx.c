/* SPDX-License-Identifier: MIT */
#include "proto/nbx.h"

#include "proto/client/client.h"

#include <stdlib.h>
#include <string.h>

/* A reply's bytes and its decoded tree, some 40 bytes for each byte of the worst one. */
#define ANSWER_ARENA_BYTES ((size_t)40 * NBX_CLIENT_MAX_REPLY_BYTES)
#define EMPTY_MAP          "\x80"

struct nbx {
    struct nbx_client *client;
    struct nbx_arena *arena;
};

static int result_of(enum nbx_err err)
{
    switch (err) {
    case NBX_OK: return NBX_CLIENT_OK;
    case NBX_EBUSY: return NBX_CLIENT_TIMEOUT;
    case NBX_EBAD: return NBX_CLIENT_INVALID;
    default: return NBX_CLIENT_FAILED;
    }
}

int nbx_open(struct nbx **out, const char *endpoint)
{
    *out = NULL;
    if (!endpoint)
        return NBX_CLIENT_INVALID;
    struct nbx *nbx = calloc(1, sizeof *nbx);
    if (!nbx)
        return NBX_CLIENT_FAILED;
    enum nbx_err err = NBX_ELIMIT;
    nbx->arena = nbx_arena_new(ANSWER_ARENA_BYTES);
    if (nbx->arena)
        err = nbx_client_new(&nbx->client, endpoint);
    if (err) {
        nbx_close(nbx);
        nbx = NULL;
    }
    *out = nbx;
    return result_of(err);
}

void nbx_close(struct nbx *nbx)
{
    if (!nbx)
        return;
    nbx_client_destroy(&nbx->client);
    nbx_arena_destroy(&nbx->arena);
    free(nbx);
}

/* false where the call cannot be sent as it is. */
static bool request_of(struct nbx_request *out, const struct nbx_question *question)
{
    if (!question || !question->op || (question->key_bytes && !question->key) ||
        (question->body_bytes && !question->body) || question->key_bytes > UINT32_MAX ||
        question->body_bytes > UINT32_MAX)
        return false;
    *out = (struct nbx_request){.op = question->op,
                                .key = {question->key, (uint32_t)question->key_bytes},
                                .body = {question->body, (uint32_t)question->body_bytes},
                                .tag = question->tag};
    if (!question->body)
        out->body = NBX_STR(EMPTY_MAP);
    return true;
}

static int answer_of(struct nbx_answer *out, const struct nbx_reply *reply, enum nbx_err err)
{
    memset(out, 0, sizeof *out);
    if (!err)
        *out = (struct nbx_answer){reply->status.p, reply->raw.p, reply->raw.len, reply->tag};
    return result_of(err);
}

int nbx_ask(struct nbx *nbx, const struct nbx_question *question, int timeout_ms,
            struct nbx_answer *out)
{
    struct nbx_request request;
    struct nbx_reply reply;
    if (!request_of(&request, question))
        return NBX_CLIENT_INVALID;
    nbx_arena_reset(nbx->arena);
    enum nbx_err err = nbx_client_call(nbx->client, &request, timeout_ms, nbx->arena, &reply);
    return answer_of(out, &reply, err);
}

int nbx_send(struct nbx *nbx, const struct nbx_question *question)
{
    struct nbx_request request;
    return request_of(&request, question) ? result_of(nbx_client_send(nbx->client, &request))
                                          : NBX_CLIENT_INVALID;
}

int nbx_receive(struct nbx *nbx, int timeout_ms, struct nbx_answer *out)
{
    struct nbx_reply reply;
    nbx_arena_reset(nbx->arena);
    enum nbx_err err = nbx_client_recv(nbx->client, timeout_ms, nbx->arena, &reply);
    return answer_of(out, &reply, err);
}
