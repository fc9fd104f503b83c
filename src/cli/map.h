/* map.h - what the files of pageworks map share: what was asked for, and what was seen at each look. */
#pragma once
#include "output.h"
#include "../base/json.h"
#include "../host/maps.h"
#include "../host/pagemap.h"
#include "../host/task.h"

/* A process at one moment. */
struct map_look {
	struct task task;
	struct maps maps;
	struct pagemap_runs runs;   /* of the mappings that were looked into */
};

/* A mapping between two looks. */
struct map_change {
	const struct maps_entry *now, *before;  /* NULL: it is gone; it is new.  Never both */
	struct pagemap_change pages;
	uint64_t minor, major;                  /* faults seen in it, when they were watched */
};

enum map_sort { MAP_BY_ADDRESS, MAP_BY_SIZE, MAP_BY_RSS, MAP_BY_DIRTY, MAP_BY_SWAP, MAP_BY_HUGE };

struct map {
	/* asked for */
	struct output text, json;
	uint32_t pid;
	const char *range;            /* of the grid: NULL: no grid; "": everything resident */
	uint64_t zoom, top;           /* 0: by itself; all */
	double watch;                 /* seconds; 0: one look */
	enum map_sort sort;
	enum pagemap_source source;
	bool all;
	/* found */
	struct procfs *host;
	struct pagemap *pages, *frames;      /* frames: by frames, where that is to be had */
	struct map_look look[2], *last;      /* last: the latest */
	bool plain;                          /* there is no smaps: mappings without figures */
	uint32_t not_read;                   /* mappings too large to be read page by page */
	double watched;
	struct map_change *change;
	uint32_t n_changes;
	bool faults_seen;                    /* change[].minor and major are counts, not unknown */
	uint64_t faults_elsewhere, faults_lost;
	bool faults_in_kernel;               /* those that system calls caused are among them */
	struct pw_why faults_why;            /* why not; "" */
};

/* Figures of a mapping that are sums of the kernel's. */
uint64_t map_dirty(const struct maps_entry *e);
uint64_t map_huge(const struct maps_entry *e);
/* Is a mapping one that the grid was asked for?  [*start, *end) is the part of it. */
bool map_in_range(const struct map *v, const struct maps_entry *e, uint64_t *start, uint64_t *end);

/* The time between the two looks: it passes, and the faults in it are gathered, up to map_watch_deal, which deals them out to
 * v->change. */
struct map_watch;
must_use enum pw_err map_watch_begin(struct map *v, struct map_watch **ret, struct pw_why *why);
must_use enum pw_err map_watch_wait(struct map_watch *w, struct pw_why *why);
must_use enum pw_err map_watch_deal(struct map_watch *w, struct pw_why *why);
void map_watch_end(struct map_watch *w);

/* ctx is a struct map. */
enum pw_err map_render_text(void *ctx, FILE *out);
enum pw_err map_render_json(void *ctx, FILE *out);
/* The pages of the mappings asked for, one character each. */
enum pw_err map_render_grid(const struct map *v, FILE *out);
void map_json_pages(const struct map *v, struct jsonw *j);
