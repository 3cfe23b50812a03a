/**
 * @file base/status.c  Result codes of every fallible arcrtc call
 */
#include "base/status.h"

const char *arc_status_name(int status)
{
    switch (status) {
    case ARC_OK:
        return "OK";
    case ARC_AGAIN:
        return "AGAIN";
    case ARC_ERR_ARG:
        return "ERR_ARG";
    case ARC_ERR_NOMEM:
        return "ERR_NOMEM";
    case ARC_ERR_SPACE:
        return "ERR_SPACE";
    case ARC_ERR_FORMAT:
        return "ERR_FORMAT";
    case ARC_ERR_AUTH:
        return "ERR_AUTH";
    case ARC_ERR_REPLAY:
        return "ERR_REPLAY";
    case ARC_ERR_OLD:
        return "ERR_OLD";
    case ARC_ERR_LIMIT:
        return "ERR_LIMIT";
    case ARC_ERR_UNSUPPORTED:
        return "ERR_UNSUPPORTED";
    case ARC_ERR_CODEC:
        return "ERR_CODEC";
    case ARC_ERR_IO:
        return "ERR_IO";
    case ARC_ERR_LIBRARY:
        return "ERR_LIBRARY";
    case ARC_ERR_BUSY:
        return "ERR_BUSY";
    case ARC_ERR_ENDED:
        return "ERR_ENDED";
    default:
        return "UNKNOWN";
    }
}
