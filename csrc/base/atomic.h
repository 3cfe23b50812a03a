/**
 * @file base/atomic.h  The atomic operations the core uses, by name
 *
 * C99 has none, so these wrap the builtins of GCC and Clang. Only packet and
 * frame reference counts, rings between threads and published numbers use
 * them; everything else in the core has one owner and needs no atomics.
 */
#ifndef ARC_BASE_ATOMIC_H
#define ARC_BASE_ATOMIC_H

#define arc_atomic_load_relaxed(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define arc_atomic_load_acquire(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define arc_atomic_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define arc_atomic_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define arc_atomic_add_relaxed(p, v)   __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define arc_atomic_sub_acq_rel(p, v)   __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL)
#define arc_atomic_load_seq_cst(p)     __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define arc_atomic_store_seq_cst(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define arc_atomic_add_seq_cst(p, v)   __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define arc_atomic_exchange(p, v)      __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)

/** Store `v` if the value is `from`; true: it was. `from` is evaluated once. */
#define arc_atomic_compare_exchange(p, from, v)                                \
    __sync_bool_compare_and_swap((p), (from), (v))

#endif
