/**
 * @file tests/c/check.h  What the C test programs need: a check that cannot be
 * compiled away, and a closing line.
 */
#ifndef ARC_TESTS_CHECK_H
#define ARC_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

static __thread int checks_made; /* of this thread */

#define CHECK(condition)                                                       \
    do {                                                                       \
        __atomic_fetch_add(&checks_made, 1, __ATOMIC_RELAXED);                 \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__,         \
                    #condition);                                               \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

static inline int check_done(const char *name)
{
    printf("%s: %d checks passed\n", name, checks_made);
    return checks_made == 0;
}

#endif
