/**
 * @file
 * golden.bin: inputs and the scores that the reference kernels gave for them.
 *
 * Little endian. Written by firmware_bridge/image/tables.py.
 *
 *      0  4  "EIGV"
 *      4  1  version, 1
 *      5  1  stages, n
 *      6  1  frames are: 0 uint8 as from a camera, 1 quantised, in the tensor's layout
 *      7  1  0
 *      8  4  vectors, v
 *     12  4  bytes of a frame, b
 *     16     v * b bytes: the frames
 *            n * v * l int8: scores by stage, vector and label; every stage runs
 */
#ifndef EINF_GOLDEN_H
#define EINF_GOLDEN_H

#include "edge_infer/bundle.h"

/** Name of the entry in a bundle file. */
#define EINF_GOLDEN_FILE "golden.bin"

/**
 * Run the golden vectors of an opened bundle.
 *
 * A score may be off by 1: the reference kernels of FULLY_CONNECTED differ by that between
 * tflite-runtime 2.14, which these kernels equal, and LiteRT 2.3, which made the vectors.
 *
 * @param next the vector to go on with, 0 at first; moved on.
 * @param go_on asked after each vector whether there is time for another.
 * @retval EINF_BUSY not done yet: call it again
 * @retval EINF_NO_ENTRY the bundle carries none
 * @retval EINF_CORRUPT they do not fit the bundle
 * @retval EINF_SELF_TEST a score is off by more
 */
einf_status einf_golden_run(const einf_bundle *bundle, uint32_t *next, bool (*go_on)(void));

#endif
