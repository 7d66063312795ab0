/**
 * @file
 * A version as text.
 */
#ifndef EINF_VERSION_TEXT_H
#define EINF_VERSION_TEXT_H

#include "edge_infer/image.h"

/** "255.255.65535.4294967295" and its end. */
#define EINF_VERSION_TEXT_BYTES 26U

/** major.minor.revision, and the build number unless it is 0. */
void einf_version_text(char text[EINF_VERSION_TEXT_BYTES], const einf_version *version);

/** A number in decimal at `text`; returns where it ends. */
char *einf_decimal_text(char *text, uint64_t value);

#endif
