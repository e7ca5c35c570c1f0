/* SPDX-License-Identifier: MIT
 * Room on the disk: writes stop before there is none.
 *
 * Why:     once a write of RocksDB's own meets a full disk it takes no more, and looks only every
 *          five seconds whether there is room again. So writes are refused while less is free than
 *          its buffers and logs may still want; reads go on, and writes too as soon as there is
 *          room.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  a file system that does not say what is free counts as having room.
 */
#include "engine/store/store_internal.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"

#include <sys/statvfs.h>

/* With less, RocksDB's lines about a start may end the process by an assertion. */
#define START_BYTES   (UINT64_C(8) << 20)
#define LOG_BYTES     (UINT64_C(32) << 20) /* its logs, and what compaction holds twice */
#define LOOK_EVERY_NS INT64_C(50000000)

static uint64_t free_bytes(const char *dir)
{
    struct statvfs st;
    return statvfs(dir, &st) ? UINT64_MAX : (uint64_t)st.f_bavail * st.f_frsize;
}

enum nbx_err nbx_store__check_room(const char *dir, struct nbx_fault *fault)
{
    uint64_t room = free_bytes(dir);
    if (room >= START_BYTES)
        return NBX_OK;
    nbx_log_errorx("%llu KiB are free in %s, a start needs %llu", (unsigned long long)room >> 10,
                   dir, (unsigned long long)START_BYTES >> 10);
    return nbx_fault_set(fault, NBX_ESTORAGE, NULL, "%llu KiB are free in %s, a start needs %llu",
                         (unsigned long long)room >> 10, dir,
                         (unsigned long long)START_BYTES >> 10);
}

struct nbx_store_room nbx_store_get_room(const struct nbx_store_options *options)
{
    return (struct nbx_store_room){.free = free_bytes(options->dir),
                                   .start = START_BYTES,
                                   .writes = nbx_store__least_room(options)};
}

uint64_t nbx_store__least_room(const struct nbx_store_options *options)
{
    return 2 * (uint64_t)options->write_buffer_bytes + LOG_BYTES;
}

/* One of the threads that ask looks, when it is time. */
static bool is_time(struct nbx_store *store)
{
    int64_t now_ns = nbx_clock_mono_ns();
    int64_t due_ns = atomic_load_explicit(&store->look_ns, memory_order_relaxed);
    return now_ns >= due_ns &&
           atomic_compare_exchange_strong(&store->look_ns, &due_ns, now_ns + LOOK_EVERY_NS);
}

bool nbx_store__is_full(struct nbx_store *store)
{
    if (!is_time(store))
        return atomic_load_explicit(&store->full, memory_order_relaxed);
    uint64_t room = free_bytes(store->dir);
    bool full = room < store->least_room;
    if (atomic_exchange(&store->full, full) != full)
        nbx_log_warnx("disk=%s dir=%s free_mib=%llu least_mib=%llu writes=%s",
                      full ? "full" : "has_room", store->dir, (unsigned long long)room >> 20,
                      (unsigned long long)store->least_room >> 20, full ? "refused" : "taken");
    return full;
}
