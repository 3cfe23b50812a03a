/**
 * @file video/vlibs.c  Which video libraries are linked, and in which version
 */
#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/avutil.h>
#ifdef ARC_HAVE_VPX
#include <vpx/vpx_codec.h>
#endif
#ifdef ARC_HAVE_AOM
#include <aom/aom_codec.h>
#endif
#ifdef ARC_HAVE_DAV1D
#include <dav1d/dav1d.h>
#include <dav1d/version.h>
#endif

#include "video/scale.h"
#include "video/vlibs.h"

enum lib {
    AVCODEC,
    AVUTIL,
    SWSCALE,
#ifdef ARC_HAVE_VPX
    VPX,
#endif
#ifdef ARC_HAVE_AOM
    AOM,
#endif
#ifdef ARC_HAVE_DAV1D
    DAV1D,
#endif
    N_LIBS
};

/* FFmpeg packs major, minor, micro into 16, 8 and 8 bits. */
static void put_av(struct arc_vlib *out, const char *name, unsigned loaded,
                   unsigned compiled)
{
    snprintf(out->name, sizeof(out->name), "%s", name);
    snprintf(out->loaded, sizeof(out->loaded), "%u.%u.%u", loaded >> 16,
             loaded >> 8 & 255, loaded & 255);
    snprintf(out->compiled, sizeof(out->compiled), "%u.%u.%u", compiled >> 16,
             compiled >> 8 & 255, compiled & 255);
}

int32_t arc_vlibs_count(void)
{
    return N_LIBS;
}

enum arc_status arc_vlibs_get(int32_t i, struct arc_vlib *out)
{
    if (i < 0 || i >= N_LIBS || !out)
        return ARC_ERR_ARG;
    memset(out, 0, sizeof(*out));
    switch ((enum lib)i) {
    case AVCODEC:
        put_av(out, "libavcodec", avcodec_version(), LIBAVCODEC_VERSION_INT);
        break;
    case AVUTIL:
        put_av(out, "libavutil", avutil_version(), LIBAVUTIL_VERSION_INT);
        break;
    case SWSCALE:
        put_av(out, "libswscale", arc_scaler_version_loaded(),
               arc_scaler_version_compiled());
        break;
#ifdef ARC_HAVE_VPX
    case VPX:
        snprintf(out->name, sizeof(out->name), "libvpx");
        snprintf(out->loaded, sizeof(out->loaded), "%s",
                 vpx_codec_version_str());
        break;
#endif
#ifdef ARC_HAVE_AOM
    case AOM:
        snprintf(out->name, sizeof(out->name), "libaom");
        snprintf(out->loaded, sizeof(out->loaded), "%s",
                 aom_codec_version_str());
        break;
#endif
#ifdef ARC_HAVE_DAV1D
    case DAV1D:
        snprintf(out->name, sizeof(out->name), "libdav1d");
        snprintf(out->loaded, sizeof(out->loaded), "%s", dav1d_version());
        snprintf(out->compiled, sizeof(out->compiled), "%d.%d.%d",
                 DAV1D_API_VERSION_MAJOR, DAV1D_API_VERSION_MINOR,
                 DAV1D_API_VERSION_PATCH);
        break;
#endif
    case N_LIBS:
        break;
    }
    return ARC_OK;
}
