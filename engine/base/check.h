/* SPDX-License-Identifier: MIT
 * Assertions. Input never triggers one, bugs always do.
 *
 * NBX_ASSERT stays on in release builds and prints the request being served (log.h's context);
 * NBX_DCHECK is for walks over structures and compiles out of release builds.
 */
#ifndef NBX_BASE_CHECK_H
#define NBX_BASE_CHECK_H

_Noreturn void nbx_check_failed(const char *expr, const char *file, int line);

#define NBX_ASSERT(x) ((x) ? (void)0 : nbx_check_failed(#x, __FILE__, __LINE__))
#ifdef NDEBUG
#define NBX_DCHECK(x) ((void)sizeof(x))
#else
#define NBX_DCHECK(x) NBX_ASSERT(x)
#endif

#endif
