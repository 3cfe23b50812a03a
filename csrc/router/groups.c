/**
 * @file router/groups.c  Groups of audio tracks, of which the loudest are heard
 */
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "router/parts.h"

static struct arc_group *group_of(const struct arc_router *r, int32_t number)
{
    struct arc_group *group = r->groups;

    while (group && group->number != number)
        group = group->next;
    return group;
}

void arc_router_free_group(struct arc_router *r, struct arc_group *group)
{
    struct arc_group **at = &r->groups;

    while (*at != group)
        at = &(*at)->next;
    *at = group->next;
    arc_loudest_free(group->loudest);
    arc_mem_free(group);
}

static enum arc_status add_group(struct arc_router *r, int32_t number,
                                 int32_t heard, struct arc_group **out)
{
    struct arc_group *group = arc_mem_zalloc(1, sizeof(*group));
    enum arc_status status;

    if (!group)
        return ARC_ERR_NOMEM;
    status = arc_loudest_new(ARC_LOUDEST_MAX_MEMBERS, heard, &group->loudest);
    if (status) {
        arc_mem_free(group);
        return status;
    }
    group->number = number;
    group->next   = r->groups;
    r->groups     = group;
    *out = group;
    return ARC_OK;
}

enum arc_status arc_router_set_group(struct arc_router *r, int32_t number,
                                     int32_t heard)
{
    struct arc_group *group = r && number >= 0 ? group_of(r, number) : NULL;

    if (!r || number < 0 || heard < 1 || heard > ARC_LOUDEST_MAX_PLACES ||
        (group && group->n_tracks > 0))
        return ARC_ERR_ARG;
    if (group)
        arc_router_free_group(r, group);
    return add_group(r, number, heard, &group);
}

enum arc_status arc_track_join_group(struct arc_track *track)
{
    struct arc_router *r = track->leg->router;
    struct arc_group *group = group_of(r, track->cfg.group);
    enum arc_status status = ARC_OK;

    if (!group)
        status = add_group(r, track->cfg.group, ARC_GROUP_PLACES, &group);
    if (status)
        return status;
    track->member = arc_loudest_add(group->loudest);
    if (track->member < 0)
        return ARC_ERR_LIMIT;
    track->group = group;
    group->tracks[track->member] = track->id;
    group->n_tracks++;
    return ARC_OK;
}

void arc_track_leave_group(struct arc_track *track)
{
    struct arc_group *group = track->group;

    if (!group)
        return;
    arc_loudest_remove(group->loudest, track->member);
    if (--group->n_tracks == 0)
        arc_router_free_group(track->leg->router, group);
}
