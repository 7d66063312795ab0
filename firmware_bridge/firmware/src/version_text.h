/**
 * @file
 * A version as text.
 */
#ifndef EDGE_INFER_VERSION_TEXT_H
#define EDGE_INFER_VERSION_TEXT_H

#include "edge_infer/image.h"

/** "255.255.65535.4294967295" and its end. */
#define VERSION_TEXT_BYTES 26U

/** major.minor.revision, and the build number unless it is 0. */
void version_text(char text[VERSION_TEXT_BYTES], const ei_version *version);

/** A number in decimal at `text`; returns where it ends. */
char *decimal_text(char *text, uint64_t value);

#endif
