/**
 * @file
 * SMP messages: the header, the command's handler, the answer or refusal (PROTOCOL.md).
 */
#ifndef EINF_DISPATCH_H
#define EINF_DISPATCH_H

#include "device/group.h"

/** Answer one message. */
void einf_smp_answer(einf_device *d, einf_framing how, uint8_t *message, uint32_t bytes);

#endif
