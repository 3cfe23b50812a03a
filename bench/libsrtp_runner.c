/**
 * @file bench/libsrtp_runner.c  Times one operation of libsrtp over many packets
 *
 * No header of libsrtp is needed: bench_libsrtp.py makes the sessions, and gives
 * the address of srtp_protect() or srtp_unprotect() of the copy to be measured.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <time.h>

typedef int operation(void *session, void *packet, int *len);

static double cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/** Write RTP headers with ascending sequence numbers from `seq` on. */
void fill(uint8_t *slots, int slot_bytes, int32_t *lens, int len, int n,
          uint32_t seq)
{
    for (int i = 0; i < n; i++, seq++) {
        uint8_t *p = slots + (intptr_t)i * slot_bytes;

        for (int at = 0; at < 12; at++)
            p[at] = 0;
        p[0]  = 0x80;
        p[2]  = (uint8_t)(seq >> 8);
        p[3]  = (uint8_t)seq;
        p[11] = 1;
        lens[i] = len;
    }
}

/** @return nanoseconds a packet, CPU time of this thread; negative: one failed */
double run(operation *op, void *session, uint8_t *slots, int slot_bytes,
           int32_t *lens, int n)
{
    const double start = cpu_ns();

    for (int i = 0; i < n; i++) {
        int len = lens[i];

        if (op(session, slots + (intptr_t)i * slot_bytes, &len))
            return -1;
        lens[i] = len;
    }
    return (cpu_ns() - start) / n;
}
