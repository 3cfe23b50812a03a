/**
 * @file wire/depdesc.h  Dependency descriptor of video frames
 *
 * The RTP header extension of the AV1 RTP payload format, appendix A: which
 * decode targets a frame belongs to, and which frames it needs. Most packets
 * carry three bytes that refer to a template; the templates come with a key
 * frame, so reading needs the structure read last.
 *
 * Owner:   the caller; nothing is kept but in the caller's structs, no free is
 *          needed.
 * Threads: one thread at a time for a reader; the rest any.
 */
#ifndef ARC_WIRE_DEPDESC_H
#define ARC_WIRE_DEPDESC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_DEPDESC_MAX_BYTES     255 /* of an element (RFC 8285 §4.3)        */
#define ARC_DEPDESC_MAX_TEMPLATES 64
#define ARC_DEPDESC_MAX_TARGETS   32
#define ARC_DEPDESC_MAX_CHAINS    32
#define ARC_DEPDESC_MAX_FDIFFS    16 /* ours: frames that one frame refers to */
#define ARC_DEPDESC_MAX_LAYERS    8  /* ours: spatial, and temporal           */

/** What a frame is to a decode target (table A.1). */
enum arc_dti {
    ARC_DTI_NOT_PRESENT = 0,
    ARC_DTI_DISCARDABLE = 1,
    ARC_DTI_SWITCH      = 2,
    ARC_DTI_REQUIRED    = 3,
};

/** What a frame needs and is needed for; of a template, or of one frame. */
struct arc_depdesc_deps {
    uint8_t  spatial_id;      /* 0..7                                         */
    uint8_t  temporal_id;     /* 0..7                                         */
    uint8_t  n_fdiffs;        /* 0..ARC_DEPDESC_MAX_FDIFFS                    */
    uint8_t  dtis[32];        /* enum arc_dti of each decode target           */
    uint16_t fdiffs[16];      /* frames back: 1..16 in a template, else 1..4096 */
    uint8_t  chain_fdiffs[32]; /* frames back in each chain, 0: none needed;
                                * 0..15 in a template, else 0..255            */
};

/** The frame dependency structure (template_dependency_structure, A.8.2). */
struct arc_depdesc_structure {
    uint8_t  id_offset;   /* template id of the first template, 0..63         */
    uint8_t  n_templates; /* 1..ARC_DEPDESC_MAX_TEMPLATES                     */
    uint8_t  n_targets;   /* decode targets, 1..ARC_DEPDESC_MAX_TARGETS       */
    uint8_t  n_chains;    /* 0..n_targets                                     */
    bool     has_sizes;
    uint8_t  protected_by[32]; /* chain of each decode target                 */
    uint32_t width_px[8];      /* by spatial id, 1..65536; with has_sizes     */
    uint32_t height_px[8];
    struct arc_depdesc_deps templates[64];
};

/** The descriptor of one packet. */
struct arc_depdesc {
    bool     starts_frame;
    bool     ends_frame;
    uint16_t frame_number; /* wraps                                           */
    uint8_t  template_id;  /* 0..63; chosen by arc_depdesc_write()            */
    bool     has_structure;      /* the packet carries one                    */
    bool     has_active_targets; /* the packet says which are active          */
    uint32_t active_targets;     /* bit i: decode target i                    */
    struct arc_depdesc_deps deps;
};

/** What one stream's packets have said so far. Start with zeros. */
struct arc_depdesc_reader {
    bool                         has_structure;
    uint32_t                     active_targets;
    struct arc_depdesc_structure structure;
    struct arc_depdesc_structure pending; /* room to read the next one        */
};

/**
 * Read the value of an element; packets come in the order they were sent.
 *
 * A structure in it, and a change of the active decode targets, are kept.
 * Where the templates are not known (none came yet, or the packet with the new
 * ones was lost) only starts_frame, ends_frame, frame_number and template_id
 * are set.
 *
 * @return ARC_OK; ARC_AGAIN (that: no template has this id); ARC_ERR_FORMAT;
 *         ARC_ERR_LIMIT (more layers or references than there is room for);
 *         ARC_ERR_ARG (NULL). Unchanged on a fault: `out`, and what
 *         `reader` knows
 */
enum arc_status arc_depdesc_read(struct arc_depdesc_reader *reader,
                                 const uint8_t *value, size_t len,
                                 struct arc_depdesc *out);

/**
 * Write the value of an element with the template that takes the fewest bytes.
 *
 * @param d       Frame; its template_id is not looked at. has_structure: with
 *                the structure in front
 * @param s       Structure that the receiver has, or gets
 * @param out     Room for `cap` bytes; ARC_DEPDESC_MAX_BYTES fit one element
 * @param len_out Bytes written; unchanged unless ARC_OK
 *
 * @return ARC_OK, ARC_ERR_ARG (NULL, a range, an order of templates that the
 *         format cannot say, or no template of these layers) or ARC_ERR_SPACE
 */
enum arc_status arc_depdesc_write(const struct arc_depdesc *d,
                                  const struct arc_depdesc_structure *s,
                                  uint8_t *out, size_t cap, size_t *len_out);
/* ARC_CDEF_END */

#endif
