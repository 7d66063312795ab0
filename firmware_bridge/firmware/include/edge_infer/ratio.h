/**
 * @file
 * Pruning ratios: the share of the channels that a prunable model keeps, as numbers and as text.
 */
#ifndef EINF_RATIO_H
#define EINF_RATIO_H

#include <stdint.h>

/** Ratios are numbers of millionths; this one is every model as its file has it. */
#define EINF_FULL_WIDTH 1000000U

/** "0.123456" and its end. */
#define EINF_RATIO_TEXT_BYTES 9U

/** The ratio that a text such as "0.75" or "1.0" names, 0 where it names none. */
uint32_t einf_ratio_of(const char *text, uint32_t bytes);

/** The text that names a ratio. */
void einf_ratio_text(char text[EINF_RATIO_TEXT_BYTES], uint32_t ratio);

#endif
