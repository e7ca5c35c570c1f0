/* SPDX-License-Identifier: MIT */
#include "engine/store/key.h"

#include "engine/base/buf.h"
#include "engine/base/check.h"
#include "engine/base/hash.h"

#define FORGOTTEN_KEY_BYTES 24
#define EVENT_KEY_BYTES     32
#define TREND_KEY_BYTES     10
#define LOG_KEY_BYTES       10
#define MENTION_KEY_BYTES   16
#define HASHED              0xFF /* begins no UTF-8 text, so no plain key can equal a hashed one */
#define DECISION_TIME_MAX   ((INT64_C(1) << 48) - 1)

uint8_t nbx_group_of(struct nbx_str customer_id)
{
    return (uint8_t)(nbx_hash64_str(customer_id) & (NBX_N_GROUPS - 1));
}

static void put(struct nbx_key *k, const void *p, uint32_t n)
{
    NBX_ASSERT(n <= NBX_KEY_MAX_BYTES - k->len);
    if (n)
        memcpy(k->p + k->len, p, n);
    k->len += n;
}

static void put_u8(struct nbx_key *k, uint8_t v)
{
    put(k, &v, 1);
}

static void put_be16(struct nbx_key *k, uint16_t v)
{
    put_u8(k, (uint8_t)(v >> 8));
    put_u8(k, (uint8_t)v);
}

static void put_be32(struct nbx_key *k, uint32_t v)
{
    uint8_t bytes[4];
    nbx_be32_put(bytes, v);
    put(k, bytes, sizeof bytes);
}

static void put_be64(struct nbx_key *k, uint64_t v)
{
    uint8_t bytes[8];
    nbx_be64_put(bytes, v);
    put(k, bytes, sizeof bytes);
}

static void put_hash(struct nbx_key *k, struct nbx_str s)
{
    uint8_t digest[16];
    nbx_hash128(s.p, s.len, digest);
    put(k, digest, sizeof digest);
}

static uint64_t ordered(int64_t v)
{
    return (uint64_t)v ^ (UINT64_C(1) << 63);
}

struct nbx_key nbx_key_identity(struct nbx_str type, struct nbx_str value)
{
    struct nbx_key k = {.len = 0};
    bool ambiguous = type.len && memchr(type.p, 0, type.len);
    if (ambiguous || (uint64_t)type.len + 1 + value.len > NBX_KEY_MAX_BYTES) {
        put_u8(&k, HASHED);
        put_hash(&k, type);
        put_hash(&k, value);
        return k;
    }
    put(&k, type.p, type.len);
    put_u8(&k, 0);
    put(&k, value.p, value.len);
    return k;
}

struct nbx_key nbx_key_customer(uint64_t number)
{
    struct nbx_key k = {.len = 0};
    put_be64(&k, number);
    return k;
}

bool nbx_key_number_parse(struct nbx_str key, uint64_t *number)
{
    if (key.len < sizeof *number)
        return false;
    *number = nbx_be64_get((const uint8_t *)key.p);
    return true;
}

struct nbx_key nbx_key_customer_end(uint64_t number)
{
    if (number < UINT64_MAX)
        return nbx_key_customer(number + 1);
    struct nbx_key k = {.len = 0}; /* longer than every personal key, so behind all of them */
    for (int i = 0; i <= EVENT_KEY_BYTES; i++)
        put_u8(&k, 0xFF);
    return k;
}

struct nbx_key nbx_key_vector(uint64_t number, struct nbx_str space)
{
    struct nbx_key k = nbx_key_customer(number);
    put_be64(&k, nbx_hash64_str(space));
    return k;
}

struct nbx_key nbx_key_event(uint64_t number, int64_t time_ms, const uint8_t id_hash[16])
{
    struct nbx_key k = nbx_key_customer(number);
    put_be64(&k, ordered(time_ms));
    put(&k, id_hash, 16);
    return k;
}

bool nbx_key_event_parse(struct nbx_str key, uint64_t *number, int64_t *time_ms,
                         uint8_t id_hash[16])
{
    if (key.len != EVENT_KEY_BYTES)
        return false;
    const uint8_t *p = (const uint8_t *)key.p;
    *number = nbx_be64_get(p);
    *time_ms = (int64_t)ordered((int64_t)nbx_be64_get(p + 8));
    if (id_hash)
        memcpy(id_hash, p + 16, 16);
    return true;
}

static void put_serial(struct nbx_key *k, uint64_t number)
{
    uint8_t bytes[8];
    nbx_be64_put(bytes, number);
    put(k, bytes + 1, 7); /* the first one is the group */
}

struct nbx_key nbx_key_due_from(uint8_t group, int64_t time_ms)
{
    struct nbx_key k = {.len = 0};
    put_u8(&k, group);
    put_be64(&k, ordered(time_ms));
    return k;
}

struct nbx_key nbx_key_due(uint64_t number, int64_t time_ms, const uint8_t id_hash[16])
{
    struct nbx_key k = nbx_key_due_from(NBX_CUSTOMER_GROUP(number), time_ms);
    put_serial(&k, number);
    put(&k, id_hash, 16);
    return k;
}

struct nbx_key nbx_key_due_end(uint8_t group)
{
    struct nbx_key k = {.len = 0};
    if (group == NBX_N_GROUPS - 1)
        return nbx_key_customer_end(UINT64_MAX);
    put_u8(&k, (uint8_t)(group + 1));
    return k;
}

bool nbx_key_due_parse(struct nbx_str key, uint64_t *number, int64_t *time_ms, uint8_t id_hash[16])
{
    if (key.len != EVENT_KEY_BYTES)
        return false;
    const uint8_t *p = (const uint8_t *)key.p;
    uint8_t bytes[8] = {p[0]};
    memcpy(bytes + 1, p + 9, 7);
    *number = nbx_be64_get(bytes);
    *time_ms = (int64_t)ordered((int64_t)nbx_be64_get(p + 1));
    memcpy(id_hash, p + 16, 16);
    return true;
}

struct nbx_key nbx_key_forgotten(const uint8_t hash[16], int64_t time_ms)
{
    struct nbx_key k = {.len = 0};
    put(&k, hash, 16);
    put_be64(&k, ordered(time_ms));
    return k;
}

bool nbx_key_forgotten_parse(struct nbx_str key, uint8_t hash[16], int64_t *time_ms)
{
    if (key.len != FORGOTTEN_KEY_BYTES)
        return false;
    memcpy(hash, key.p, 16);
    *time_ms = (int64_t)ordered((int64_t)nbx_be64_get((const uint8_t *)key.p + 16));
    return true;
}

struct nbx_key nbx_key_event_id(uint64_t number, const uint8_t id_hash[16])
{
    struct nbx_key k = nbx_key_customer(number);
    put(&k, id_hash, 16);
    return k;
}

struct nbx_key nbx_key_item_id(struct nbx_str id)
{
    struct nbx_key k = {.len = 0};
    if (id.len > NBX_KEY_MAX_BYTES) {
        put_u8(&k, HASHED);
        put_hash(&k, id);
        return k;
    }
    put(&k, id.p, id.len);
    return k;
}

struct nbx_key nbx_key_item(uint32_t item_no)
{
    struct nbx_key k = {.len = 0};
    put_be32(&k, item_no);
    return k;
}

bool nbx_key_item_parse(struct nbx_str key, uint32_t *item_no)
{
    if (key.len != 4)
        return false;
    *item_no = nbx_be32_get((const uint8_t *)key.p);
    return true;
}

struct nbx_key nbx_key_past_item(uint32_t item_no, uint64_t seq)
{
    struct nbx_key k = nbx_key_item(item_no);
    put_be64(&k, seq);
    return k;
}

bool nbx_key_past_item_parse(struct nbx_str key, uint32_t *item_no, uint64_t *seq)
{
    if (key.len != 12)
        return false;
    *item_no = nbx_be32_get((const uint8_t *)key.p);
    *seq = nbx_be64_get((const uint8_t *)key.p + 4);
    return true;
}

struct nbx_key nbx_key_trend(uint16_t channel_no, uint32_t bucket, uint32_t item_no)
{
    struct nbx_key k = {.len = 0};
    put_be16(&k, channel_no);
    put_be32(&k, bucket);
    put_be32(&k, item_no);
    return k;
}

bool nbx_key_trend_parse(struct nbx_str key, uint16_t *channel_no, uint32_t *bucket,
                         uint32_t *item_no)
{
    if (key.len != TREND_KEY_BYTES)
        return false;
    const uint8_t *p = (const uint8_t *)key.p;
    *channel_no = (uint16_t)(p[0] << 8 | p[1]);
    *bucket = nbx_be32_get(p + 2);
    *item_no = nbx_be32_get(p + 6);
    return true;
}

struct nbx_key nbx_key_log(uint16_t stream, uint64_t seq)
{
    struct nbx_key k = {.len = 0};
    put_be16(&k, stream);
    put_be64(&k, seq);
    return k;
}

bool nbx_key_log_parse(struct nbx_str key, uint16_t *stream, uint64_t *seq)
{
    if (key.len != LOG_KEY_BYTES)
        return false;
    const uint8_t *p = (const uint8_t *)key.p;
    *stream = (uint16_t)(p[0] << 8 | p[1]);
    *seq = nbx_be64_get(p + 2);
    return true;
}

struct nbx_key nbx_key_mention(uint64_t number, uint64_t seq)
{
    struct nbx_key k = nbx_key_customer(number);
    put_be64(&k, seq);
    return k;
}

bool nbx_key_mention_parse(struct nbx_str key, uint64_t *number, uint64_t *seq)
{
    if (key.len != MENTION_KEY_BYTES)
        return false;
    *number = nbx_be64_get((const uint8_t *)key.p);
    *seq = nbx_be64_get((const uint8_t *)key.p + 8);
    return true;
}

struct nbx_key nbx_key_model(struct nbx_str name, struct nbx_str version)
{
    struct nbx_key k = {.len = 0};
    put(&k, name.p, name.len);
    put_u8(&k, 0);
    put(&k, version.p, version.len);
    return k;
}

static bool is_model_word(struct nbx_str s)
{
    return s.len > 0 && s.len <= NBX_MODEL_WORD_MAX && !memchr(s.p, 0, s.len);
}

bool nbx_key_model_parse(struct nbx_str key, struct nbx_str *name, struct nbx_str *version)
{
    const char *nul = key.len ? memchr(key.p, 0, key.len) : NULL;
    if (!nul)
        return false;
    *name = (struct nbx_str){key.p, (uint32_t)(nul - key.p)};
    *version = (struct nbx_str){nul + 1, key.len - name->len - 1};
    return is_model_word(*name) && is_model_word(*version);
}

struct nbx_key nbx_key_meta(const char *name)
{
    struct nbx_key k = {.len = 0};
    put(&k, name, (uint32_t)strlen(name));
    return k;
}

struct nbx_key nbx_key_meta_group(const char *name, uint8_t group)
{
    struct nbx_key k = nbx_key_meta(name);
    put_u8(&k, 0);
    put_u8(&k, group);
    return k;
}

struct nbx_decision_id nbx_decision_id_make(uint64_t number, int64_t time_ms, uint16_t counter)
{
    struct nbx_decision_id id;
    int64_t ms = time_ms < 0 ? 0 : time_ms > DECISION_TIME_MAX ? DECISION_TIME_MAX : time_ms;
    nbx_be64_put(id.b, number);
    nbx_be64_put(id.b + 8, (uint64_t)ms << 16 | counter);
    return id;
}

uint64_t nbx_decision_id_customer(struct nbx_decision_id id)
{
    return nbx_be64_get(id.b);
}

int64_t nbx_decision_id_time_ms(struct nbx_decision_id id)
{
    return (int64_t)(nbx_be64_get(id.b + 8) >> 16);
}

void nbx_decision_id_hex(struct nbx_decision_id id, char out[33])
{
    nbx_hex(out, id.b, sizeof id.b);
    out[32] = '\0';
}

bool nbx_decision_id_parse(struct nbx_str hex, struct nbx_decision_id *out)
{
    struct nbx_decision_id id;
    if (hex.len != 2 * sizeof id.b || !nbx_unhex(id.b, hex.p, sizeof id.b))
        return false;
    *out = id;
    return true;
}

struct nbx_key nbx_key_decision(struct nbx_decision_id id)
{
    struct nbx_key k = {.len = 0};
    put(&k, id.b, sizeof id.b);
    return k;
}
