/* SPDX-License-Identifier: MIT */
#include "engine/store/store_internal.h"

#include "engine/base/log.h"

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* RocksDB's C interface has texts only; each begins with the name of its code. */
static enum nbx_err code_of(const char *text)
{
    if (begins(text, "Corruption"))
        return NBX_ECORRUPT;
    if (begins(text, "Result incomplete")) /* what no_slowdown makes of a stall */
        return NBX_EBUSY;
    if (strstr(text, "While lock file") || strstr(text, "lock hold by current process"))
        return NBX_ECONFLICT;
    if (strstr(text, "Column families not opened"))
        return NBX_EVERSION;
    return NBX_ESTORAGE;
}

enum nbx_err nbx_store__error_quietly(char *text)
{
    enum nbx_err code = code_of(text);
    rocksdb_free(text);
    return code;
}

enum nbx_err nbx_store__error(char *text, const char *doing, const char *where)
{
    enum nbx_err code = code_of(text);
    if (code == NBX_EBUSY)
        nbx_log_warnx("cannot %s %s: %s", doing, where, text);
    else
        nbx_log_errorx("cannot %s %s: %s", doing, where, text);
    rocksdb_free(text);
    return code;
}
