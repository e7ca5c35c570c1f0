/* SPDX-License-Identifier: MIT */
#include "engine/store/store_internal.h"

#include "engine/base/log.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Compactions can wait, flushes cannot: on a busy machine one at nice 5 fell so far behind that
 * writes stalled. RocksDB's own call knows but one low priority, nice 19, at which compactions
 * might. */
#define COMPACTION_THREAD "rocksdb:low\n"
#define COMPACTION_NICE   5
#define THREADS           "rocksdb:"

/* RocksDB's threads take their turns on a processor in longer slices than others, so that a worker
 * that wakes goes before them and they still get their share: by turns, p99 at 5,000 requests a
 * second was 1.1 ms at the median, 1.7 without. Linux since 6.12, sched(7); before, it does
 * nothing. */
#define SLICE_NS UINT64_C(50000000)

/* struct sched_attr of sched_setattr(2), for which there is no header. */
struct turns {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t slice_ns, deadline_ns, period_ns;
};

static void lengthen_slices(id_t tid)
{
    struct turns turns = {
        .size = sizeof turns, .nice = getpriority(PRIO_PROCESS, tid), .slice_ns = SLICE_NS};
    (void)syscall(SYS_sched_setattr, (pid_t)tid, &turns, 0); /* where refused, all is as before */
}

static void lower(const char *tid_text)
{
    id_t tid = (id_t)strtoul(tid_text, NULL, 10);
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", tid_text);
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    bool read = fgets(name, sizeof name, f) != NULL;
    fclose(f);
    if (!read || strncmp(name, THREADS, strlen(THREADS)) != 0)
        return;
    if (strcmp(name, COMPACTION_THREAD) == 0 && setpriority(PRIO_PROCESS, tid, COMPACTION_NICE))
        nbx_log_warn("cannot lower the priority of compactions");
    lengthen_slices(tid);
}

void nbx_store__lower_background(void)
{
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks)
        return;
    for (struct dirent *task; (task = readdir(tasks));)
        lower(task->d_name);
    closedir(tasks);
}
