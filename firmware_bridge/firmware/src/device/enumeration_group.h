/**
 * @file
 * Which groups there are.
 */
#ifndef EINF_ENUMERATION_GROUP_H
#define EINF_ENUMERATION_GROUP_H

#include "device/group.h"

#define EINF_GROUPS 4U

/** All groups, by number. */
extern const einf_smp_group *const einf_smp_groups[EINF_GROUPS];

#endif
