/**
 * @file router/layers.h  Layers of video: what a packet is, and who gets it
 *
 * Two structs. An arc_layersource reads the packets of one published stream
 * (one SSRC), each once; what it says of a packet is shared by all routes. An
 * arc_layerselect belongs to one route and decides what this subscriber gets:
 *
 * - which source of a simulcast. It changes at the first packet of a key frame
 *   of the wanted source; until then the former one goes on.
 * - which temporal layers. Higher ones end with the picture in hand; they begin
 *   where the codec allows it: VP8's layer sync (RFC 7741 §4.2, Y), VP9's
 *   switching-up points and references (RFC 9628 §4.2, U and P_DIFF).
 * - which spatial layers of VP9 in one stream. Higher ones begin with a frame
 *   that needs no earlier picture (RFC 9628 §4.2: P is 0). Lower layers are
 *   always sent too, so that a step down needs nothing.
 * - with a dependency descriptor (AV1 RTP, appendix A): the decode target
 *   nearest to that, left and entered by the rules of A.7. Its chains are not
 *   needed: every frame of the target is sent, not only those in its chain.
 *
 * H.264 without a dependency descriptor, and VP8 and VP9 without PictureID,
 * have one layer here: nothing tells one picture's packets from the next one's.
 *
 * A decision is taken once for a picture (with a dependency descriptor: for a
 * frame) and kept for ARC_LAYERSELECT_MEMORY of them, so that packets that come
 * late get the answer of their picture.
 *
 * The numbers of the next source go on after those of the last. What is left
 * out of VP8 leaves no gap in PictureID (RFC 7741 §4.2: one more for each
 * picture). Where a whole picture was lost on the way to us, its number stays
 * free for it, and with it a gap if it comes late and is left out. VP9 names
 * its references by the distance of their PictureIDs (RFC 9628 §4.2, §4.2.1),
 * and a dependency descriptor by that of frame numbers, so these keep their
 * distances: there a gap is the sign of a picture left out.
 *
 * Owner:   the caller; no heap, no free is needed.
 * Threads: one caller at a time for a struct.
 */
#ifndef ARC_ROUTER_LAYERS_H
#define ARC_ROUTER_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "wire/depdesc.h"
#include "wire/rtp.h"
#include "wire/vpxids.h"

/* ARC_CDEF_BEGIN */
#define ARC_LAYERS_ALL          7  /* as wanted layer: all there are          */
#define ARC_LAYERSELECT_MEMORY  64 /* pictures whose decision is remembered   */
#define ARC_LAYERSELECT_NONE    0xff /* no source                             */
#define ARC_LAYERSOURCE_PATTERN 16 /* longest VP9 group that is followed */

enum arc_layercodec {
    ARC_LAYERCODEC_OTHER = 0, /* not looked into: any packet is a start */
    ARC_LAYERCODEC_H264,
    ARC_LAYERCODEC_VP8,
    ARC_LAYERCODEC_VP9,
    ARC_LAYERCODEC_AV1,
};

/** The decode targets of a structure (A.4), by index. */
struct arc_layertargets {
    uint8_t  n_targets;    /* 0: no structure came yet                        */
    uint8_t  spatial[32];  /* highest layer in it                             */
    uint8_t  temporal[32];
    uint32_t within[32];   /* bit i: all frames of target i belong to it too  */
};

/** What one packet is. */
struct arc_layerinfo {
    bool     in_order;     /* sent after all packets that came before it      */
    bool     starts_picture; /* in order, and the first of its timestamp      */
    bool     starts_frame; /* first packet of a frame, for certain            */
    bool     ends_frame;   /* last packet of a frame (VP8, H.264: the marker) */
    bool     is_key;       /* of a key frame; certain where starts_frame      */
    bool     has_number;   /* `picture` counts; without it, no layers */
    bool     keeps_distance; /* references are distances of PictureIDs (VP9)  */
    bool     has_refs;     /* `refs` says all that this picture needs         */
    bool     is_predicted; /* needs earlier pictures (VP9 P)                  */
    bool     is_layer_sync;   /* VP8 Y: needs the last base layer frame only  */
    bool     is_switching_up; /* VP9 U                                        */
    uint8_t  spatial;      /* 0..7                                            */
    uint8_t  temporal;     /* 0..7                                            */
    bool     has_descriptor; /* a dependency descriptor came with it          */
    uint16_t frame_number; /* of that, as on the wire                         */
    uint32_t active_targets; /* of that, bit i: decode target i               */
    uint64_t dtis;         /* of that, 2 bits a target: enum arc_dti          */
    const struct arc_layertargets *targets; /* of that; NULL: the structure is
                                             * not known. Until the next read */
    int64_t  picture;      /* PictureID or frame number, unwrapped            */
    uint64_t refs;         /* bit n: needs the picture n before; 1..63        */
    struct arc_vpxids ids; /* VP8, VP9                                        */
};

/** The counters may be read; the rest is the source's own. */
struct arc_layersource {
    uint8_t  codec;            /* enum arc_layercodec                         */
    bool     started;          /* a packet came                               */
    bool     numbered;         /* one with a number came                      */
    bool     has_begun;        /* H.264: the frame of newest_ts has begun     */
    uint8_t  id_bits;          /* width of newest_id                          */
    uint8_t  n_pattern;        /* VP9: pictures in the group; 0: not known    */
    uint16_t newest_seq16;
    uint16_t newest_id;        /* PictureID or frame number                   */
    uint16_t structure_number; /* frame that brought the structure            */
    uint32_t newest_ts;
    int64_t  newest_picture;   /* newest_id, unwrapped                        */
    int64_t  pattern_picture;  /* the first picture of the group              */
    uint8_t  pattern_tids[16];
    uint64_t pattern_refs[16];
    struct arc_depdesc_reader *reader;
    struct arc_layertargets targets;
    uint64_t n_malformed;      /* packets refused                             */
    uint64_t n_bad_descriptors; /* dependency descriptors not understood      */
};

/**
 * @param codec  enum arc_layercodec
 * @param reader Zeros, borrowed for life: what the dependency descriptors of
 *               AV1 or H.264 said. NULL: they are not looked at; there is one
 *               layer
 *
 * @return ARC_OK or ARC_ERR_ARG
 */
enum arc_status arc_layersource_init(struct arc_layersource *src, int codec,
                                     struct arc_depdesc_reader *reader);

/** The stream was started again, with other numbers: `h` is of the first packet
 *  that is read of it. Its picture is not taken for a whole one. */
void arc_layersource_restart(struct arc_layersource *src,
                             const struct arc_rtp *h);

/**
 * Read a packet, in the order of arrival, once.
 *
 * @param h      Its header, by arc_rtp_parse()
 * @param packet The plain packet that `h` was read from
 * @param dd     Value of its dependency descriptor; NULL: it has none
 * @param info   Unchanged unless ARC_OK
 *
 * @return ARC_OK; ARC_AGAIN (no payload, so nothing to route: padding);
 *         ARC_ERR_FORMAT (no descriptor of VP8 or VP9; counted); ARC_ERR_ARG
 */
enum arc_status arc_layersource_read(struct arc_layersource *src,
                                     const struct arc_rtp *h,
                                     const uint8_t *packet, const uint8_t *dd,
                                     size_t dd_len, struct arc_layerinfo *info);

enum arc_layeraction {
    ARC_LAYER_FORWARD = 0,
    ARC_LAYER_SWITCH  = 1, /* forward; the first packet of another source     */
    ARC_LAYER_DROP    = 2, /* arc_layeredit.reason says why                   */
};

enum arc_layerdrop {
    ARC_LAYERDROP_NONE = 0,
    ARC_LAYERDROP_SOURCE,   /* of a source that this route does not take      */
    ARC_LAYERDROP_WAITS,    /* of the wanted one, before its key frame        */
    ARC_LAYERDROP_SPATIAL,  /* of a higher layer than the one taken           */
    ARC_LAYERDROP_TEMPORAL,
    ARC_LAYERDROP_LATE,     /* from before the change of source, or of a
                             * picture that is no longer remembered           */
    ARC_LAYERDROP_N,
};

/** What to change in this subscriber's copy of a packet. */
struct arc_layeredit {
    uint8_t  reason;           /* enum arc_layerdrop                          */
    bool     set_marker;       /* the rest of its picture is left out         */
    bool     has_frame_number; /* bytes 1 and 2 of the dependency descriptor  */
    uint16_t frame_number;
    struct arc_vpxids ids;     /* numbers to write, by arc_layeredit_apply()  */
};

/** `source` and the counters may be read; the rest is its own. */
struct arc_layerselect {
    int64_t  newest;        /* the picture of bit 0 of the three maps         */
    uint64_t seen;          /* bit n, of the picture n before: a packet came  */
    uint64_t kept;          /* it is forwarded; with `seen`                   */
    uint64_t numbered;      /* a PictureID is given to it                     */
    int64_t  first_seq;     /* of the current source                          */
    int64_t  spatial_since; /* first picture of `spatial`                     */
    uint16_t picture_out;   /* PictureID of the newest numbered picture       */
    uint16_t frame_out;     /* newest frame number sent                       */
    uint16_t frame_shift;   /* sent minus received                            */
    uint8_t  tl0_out, tl0_shift;
    uint8_t  keyidx_out, keyidx_shift;
    uint8_t  source;        /* forwarded now; ARC_LAYERSELECT_NONE            */
    uint8_t  want_source, want_spatial, want_temporal;
    uint8_t  spatial, spatial_before;
    uint8_t  temporal;
    uint8_t  target;        /* decode target                                  */
    bool     started;       /* something was forwarded                        */
    bool     waits_spatial; /* a wanted spatial layer waits for a key frame   */
    uint64_t n_forwarded;
    uint64_t n_switches;
    uint64_t n_dropped[6];  /* by enum arc_layerdrop                          */
};

/** Nothing is forwarded before the first key frame of the source wanted, 0,
 * with all its layers. */
void arc_layerselect_init(struct arc_layerselect *sel);

/**
 * What this subscriber should get; from the next key frame or picture on that
 * allows it. Layers above those that there are mean all.
 *
 * @param source   0..254
 * @param spatial  0..ARC_LAYERS_ALL
 * @param temporal 0..ARC_LAYERS_ALL
 *
 * @return ARC_OK or ARC_ERR_ARG (nothing changed)
 */
enum arc_status arc_layerselect_want(struct arc_layerselect *sel, int source,
                                     int spatial, int temporal);

/**
 * Decide on a packet of any source of the track.
 *
 * @param source Which source it is of, 0..254
 * @param info   By arc_layersource_read() of that source
 * @param seq    Its sequence number, unwrapped for that source
 * @param edit   Filled
 *
 * @return enum arc_layeraction. After ARC_LAYER_SWITCH, sequence numbers and
 *         timestamps go on from those of the former source
 */
int arc_layerselect_on_packet(struct arc_layerselect *sel, int source,
                              const struct arc_layerinfo *info, int64_t seq,
                              struct arc_layeredit *edit);

/** The source whose key frame is waited for; -1: none is needed. */
int arc_layerselect_wants_key(const struct arc_layerselect *sel);

/** A source ended, or its packets were not given here for a while: it is
 * taken again from its next key frame on. */
void arc_layerselect_gone(struct arc_layerselect *sel, int source);

/** Write the numbers into a copy of the payload. The marker and the frame
 * number lie outside of it, and are the caller's. */
void arc_layeredit_apply(const struct arc_layeredit *edit, uint8_t *payload,
                         size_t len);
/* ARC_CDEF_END */

#endif
