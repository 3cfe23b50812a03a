/**
 * @file video/annexb.c  Finding NAL units in H.264 byte streams (H.264 annex B)
 */
#include <string.h>

#include "video/annexb.h"

enum {
    NAL_SLICE = 1, NAL_IDR = 5, NAL_SEI = 6, /* H.264 table 7-1 */
    SEI_USER_DATA_UNREGISTERED = 5,          /* H.264 D.1.7     */
};

int32_t arc_annexb_next(const uint8_t *data, int32_t len, int32_t from)
{
    for (int32_t i = from; i + 3 < len; i++)
        if (data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1)
            return i + 3;
    return len;
}

/* Where the start code of the NAL unit at `nal` begins: it may be one of four
 * bytes. */
static int32_t code_of(const uint8_t *data, int32_t nal)
{
    return nal >= 4 && data[nal - 4] == 0 ? nal - 4 : nal - 3;
}

bool arc_annexb_is_idr(const uint8_t *data, int32_t len)
{
    int32_t nal = arc_annexb_next(data, len, 0);

    while (nal < len) {
        int32_t type = data[nal] & 0x1f;

        if (type >= NAL_SLICE && type <= NAL_IDR)
            return type == NAL_IDR;
        nal = arc_annexb_next(data, len, nal);
    }
    return false;
}

int32_t arc_annexb_drop_user_data(uint8_t *data, int32_t len)
{
    int32_t nal = arc_annexb_next(data, len, 0);

    while (nal < len) {
        int32_t type = data[nal] & 0x1f, next = arc_annexb_next(data, len, nal);

        if (type >= NAL_SLICE && type <= NAL_IDR)
            break;
        if (type == NAL_SEI && next < len &&
            data[nal + 1] == SEI_USER_DATA_UNREGISTERED) {
            int32_t begin = code_of(data, nal), end = code_of(data, next);

            memmove(data + end - begin, data, (size_t)begin);
            return end - begin;
        }
        nal = next;
    }
    return 0;
}
