/**
 * @file tests/fuzz/main.c  Replays files through a fuzz target without libFuzzer
 *
 * Usage: fuzz_x FILE...   So that a finding can be debugged with any compiler.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    static uint8_t data[1 << 20];

    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        size_t n;

        if (!file) {
            perror(argv[i]);
            return 1;
        }
        n = fread(data, 1, sizeof(data), file);
        fclose(file);
        LLVMFuzzerTestOneInput(data, n);
    }
    printf("%d inputs replayed\n", argc - 1);
    return 0;
}
