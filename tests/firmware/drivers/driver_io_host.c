#include "driver_io.h"

#include <stdio.h>
#include <stdlib.h>

bool read_exact(void *data, uint32_t bytes) {
    return fread(data, 1, bytes, stdin) == bytes;
}

void write_exact(const void *data, uint32_t bytes) {
    if (fwrite(data, 1, bytes, stdout) != bytes || fflush(stdout) != 0) {
        exit(2);
    }
}

uint32_t ticks(void) {
    return 0;
}

void finish(int code) {
    exit(code);
}
