/* Whole reads and writes between a driver and the test: standard streams, or files of the host. */
#ifndef DRIVER_IO_H
#define DRIVER_IO_H

#include <stdbool.h>
#include <stdint.h>

/* False at the end of the requests. */
bool read_exact(void *data, uint32_t bytes);

void write_exact(const void *data, uint32_t bytes);

/* End the program. */
void finish(int code);

#endif
