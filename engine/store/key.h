/* SPDX-License-Identifier: MIT
 * How keys are laid out. KEYS.md tells it as a table.
 *
 * Why:     every personal key begins with the customer's number, big-endian, so that forgetting is
 *          a range delete and a group's customers lie together.
 * Owns:    nothing: a key is built in a struct nbx_key on the caller's stack.
 * Threads: any.
 * Errors:  none; parsers answer false where the bytes are no such key. Text that does not fit a
 *          key, or would read as another's, is hashed in its place.
 */
#ifndef NBX_STORE_KEY_H
#define NBX_STORE_KEY_H

#include "engine/base/str.h"

#include <stdint.h>

#define NBX_N_GROUPS 256
/* A customer number: group in the top byte, a serial from 1 below it. Serial 0 stands for whoever
 * has no number: strangers' decisions and anonymous events of that group. */
#define NBX_CUSTOMER_GROUP(number)  ((uint8_t)((number) >> 56))
#define NBX_CUSTOMER_SERIAL(number) ((number)&UINT64_C(0x00FFFFFFFFFFFFFF))
#define NBX_CUSTOMER(group, serial) (((uint64_t)(group) << 56) | (serial))

/* The group of a customer id: XXH3-64 & 255. The one function that says who owns whom. */
uint8_t nbx_group_of(struct nbx_str customer_id);

#define NBX_KEY_MAX_BYTES 320

struct nbx_key {
    uint8_t p[NBX_KEY_MAX_BYTES];
    uint32_t len;
};

static inline struct nbx_str nbx_key_str(const struct nbx_key *k)
{
    return (struct nbx_str){(const char *)k->p, k->len};
}

/* identities: type, NUL, value -> number. The customer id itself has the empty type. */
struct nbx_key nbx_key_identity(struct nbx_str type, struct nbx_str value);
/* customers, seen: number. Also the lower bound of everything personal under this number. */
struct nbx_key nbx_key_customer(uint64_t number);
/* The first key behind everything personal under this number. */
struct nbx_key nbx_key_customer_end(uint64_t number);
/* The number that a personal key begins with; false where it is too short. */
bool nbx_key_number_parse(struct nbx_str key, uint64_t *number);
/* vectors: number, XXH3-64 of the space's name. */
struct nbx_key nbx_key_vector(uint64_t number, struct nbx_str space);
/* events: number, time (order kept for negative times too), XXH3-128 of the event id. */
struct nbx_key nbx_key_event(uint64_t number, int64_t time_ms, const uint8_t id_hash[16]);
/* id_hash may be NULL. */
bool nbx_key_event_parse(struct nbx_str key, uint64_t *number, int64_t *time_ms,
                         uint8_t id_hash[16]);
/* due: the number's group, time as in events, the number's serial, hash of the event id. */
struct nbx_key nbx_key_due(uint64_t number, int64_t time_ms, const uint8_t id_hash[16]);
bool nbx_key_due_parse(struct nbx_str key, uint64_t *number, int64_t *time_ms, uint8_t id_hash[16]);
/* The first key of the group's events of that time or later, and the one behind all of them. */
struct nbx_key nbx_key_due_from(uint8_t group, int64_t time_ms);
struct nbx_key nbx_key_due_end(uint8_t group);
/* event_ids: number, XXH3-128 of the event id. */
struct nbx_key nbx_key_event_id(uint64_t number, const uint8_t id_hash[16]);
/* item_ids: the id. items: the item number. */
struct nbx_key nbx_key_item_id(struct nbx_str id);
struct nbx_key nbx_key_item(uint32_t item_no);
bool nbx_key_item_parse(struct nbx_str key, uint32_t *item_no);
/* past_items: the item number, the catalogue's number of the change that ended what it was. */
struct nbx_key nbx_key_past_item(uint32_t item_no, uint64_t seq);
bool nbx_key_past_item_parse(struct nbx_str key, uint32_t *item_no, uint64_t *seq);
/* trends: channel number (NBX_TREND_ALL for the all-time total, bucket 0), time bucket, item. */
#define NBX_TREND_ALL UINT16_MAX
struct nbx_key nbx_key_trend(uint16_t channel_no, uint32_t bucket, uint32_t item_no);
bool nbx_key_trend_parse(struct nbx_str key, uint16_t *channel_no, uint32_t *bucket,
                         uint32_t *item_no);
/* log: stream (a group, or NBX_STREAM_CATALOGUE), sequence number of the entry's first command. */
struct nbx_key nbx_key_log(uint16_t stream, uint64_t seq);
bool nbx_key_log_parse(struct nbx_str key, uint16_t *stream, uint64_t *seq);
/* mentions: number, sequence number, in the number's group, of an entry that is not of events
 * alone. */
struct nbx_key nbx_key_mention(uint64_t number, uint64_t seq);
bool nbx_key_mention_parse(struct nbx_str key, uint64_t *number, uint64_t *seq);
/* forgotten: a salted hash of the customer's id, and when. */
struct nbx_key nbx_key_forgotten(const uint8_t hash[16], int64_t time_ms);
bool nbx_key_forgotten_parse(struct nbx_str key, uint8_t hash[16], int64_t *time_ms);
/* models: the name, NUL, the version; neither is longer than NBX_MODEL_WORD_MAX nor has a NUL. */
#define NBX_MODEL_WORD_MAX 64
struct nbx_key nbx_key_model(struct nbx_str name, struct nbx_str version);
bool nbx_key_model_parse(struct nbx_str key, struct nbx_str *name, struct nbx_str *version);
/* meta: a name, then optionally NUL and one byte (a group). The counters: of a group's commands and
 * customers, and of the catalogue's changes. */
#define NBX_META_SEQ           "seq"
#define NBX_META_SERIAL        "serial"
#define NBX_META_CATALOGUE_SEQ "catalogue_seq"
struct nbx_key nbx_key_meta(const char *name);
struct nbx_key nbx_key_meta_group(const char *name, uint8_t group);

/* A decision's id is its key: customer number (8), milliseconds since 1970 (6), counter (2),
 * big-endian; on the wire 32 lower-case hex digits. */
struct nbx_decision_id {
    uint8_t b[16];
};
struct nbx_decision_id nbx_decision_id_make(uint64_t number, int64_t time_ms, uint16_t counter);
uint64_t nbx_decision_id_customer(struct nbx_decision_id id);
int64_t nbx_decision_id_time_ms(struct nbx_decision_id id);
void nbx_decision_id_hex(struct nbx_decision_id id, char out[33]);
bool nbx_decision_id_parse(struct nbx_str hex, struct nbx_decision_id *out);
struct nbx_key nbx_key_decision(struct nbx_decision_id id);

#endif
