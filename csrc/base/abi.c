/**
 * @file base/abi.c  One number that the compiled core and its binding share
 */
#include "base/abi.h"

int32_t arc_abi_version(void)
{
    return ARC_ABI_VERSION;
}
