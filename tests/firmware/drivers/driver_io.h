/* Whole reads and writes between a driver and the test: standard streams, also from QEMU. */
#ifndef DRIVER_IO_H
#define DRIVER_IO_H

#include <stdbool.h>
#include <stdint.h>

/* Models and bundles stand in flash where there is any. */
#ifdef __arm__
#define IN_FLASH __attribute__((section(".slots"), aligned(16)))
#else
#define IN_FLASH __attribute__((aligned(16)))
#endif

/* False at the end of the requests. */
bool read_exact(void *data, uint32_t bytes);

void write_exact(const void *data, uint32_t bytes);

/* A clock that counts; 0 where nothing is counted. */
uint32_t ticks(void);

/* End the program. */
void finish(int code);

#endif
