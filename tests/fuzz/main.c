/**
 * @file tests/fuzz/main.c  Replays files through a fuzz target without libFuzzer
 *
 * Usage: fuzz_x FILE...   So that a finding can be debugged with any compiler.
 *
 * Every input lies in a block of exactly its size, so that a sanitizer or
 * valgrind sees a read past its end.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *read_file(const char *name, size_t *len_out)
{
    FILE *file = fopen(name, "rb");
    uint8_t *data = NULL;
    long len;

    if (!file)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (len = ftell(file)) >= 0) {
        rewind(file);
        data = malloc(len ? (size_t)len : 1);
        if (data)
            *len_out = fread(data, 1, (size_t)len, file);
    }
    fclose(file);
    return data;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        size_t len = 0;
        uint8_t *data = read_file(argv[i], &len);

        if (!data) {
            perror(argv[i]);
            return 1;
        }
        LLVMFuzzerTestOneInput(data, len);
        free(data);
    }
    printf("%s: %d inputs replayed\n", argv[0], argc - 1);
    return 0;
}
