/* state.h - what a kernel consists of, for the files of this room. */
#pragma once
#include "../base/htab.h"
#include "anon.h"
#include "frame.h"
#include "kernel.h"
#include "local.h"
#include "map.h"
#include "object.h"
#include "page.h"
#include "process.h"
#include "reclaim.h"
#include "swap.h"

enum { KERNEL_CPUS = 256, KERNEL_USED = 32 };

struct kernel {
	/* Configuration: set by kernel_create, then only read. */
	struct kernel_config config;
	uint64_t min_pages, low_pages, high_pages; /* linux watermarks, in available pages */
	uint64_t (*take_walks)(void *ctx, pfn_t frame);
	void *take_walks_ctx;
	/* State. */
	struct frames frames;
	struct anons anons;
	struct objects objects;
	struct swap swap;
	uint32_t zero_frame;         /* FRAME_NONE until somebody reads untouched memory */
	void *policy;                /* its self */
	size_t policy_bytes;
	struct policy_env policy_env;
	uint32_t used[KERNEL_USED];  /* slots found used when the policy wanted them, to be told to it: without a log of references */
	uint32_t n_used;
	struct process **process;    /* by number */
	uint32_t n_processes;
	struct htab pids;            /* -> number */
	struct htab names;           /* hash of a name -> struct name */
	struct process *active[KERNEL_CPUS];
	struct process *working;     /* that faulted last: who pays for pages that come in */
	struct local *local;         /* NULL: replacement is global */
	uint64_t wanted_run;         /* of contiguous frames: what table_alloc was last refused */
	uint64_t n_huge;             /* blocks that are huge pages */
	unsigned compact_wait, compact_backoff; /* calls to let pass before the next try; how many, after the next failure */
	uint32_t scan_process;       /* where the search for pages to promote goes on */
	uint64_t scan_page;
	struct kernel_counts counts; /* those that cannot be had from the state */
};

static inline struct frame *kernel_frame(struct kernel *k, uint32_t f) { return &k->frames.at[f]; }
static inline struct anon *kernel_anon(const struct kernel *k, uint32_t id) { return anon_at(&k->anons, id); }
static inline uint64_t kernel_page_bytes(const struct kernel *k) { return 1ull << k->config.page_shift; }
static inline uint64_t kernel_huge_pages(const struct kernel *k) { return 1ull << k->config.huge_shift; }
static inline uint32_t huge_head(const struct kernel *k, uint32_t f) { return f >> k->config.huge_shift << k->config.huge_shift; }
/* The frame by which the pmap and the policy know the page in f: that of its huge page, or its own. */
static inline uint32_t kernel_unit(const struct kernel *k, uint32_t f)
{
	return k->frames.at[f].flags & FRAME_HUGE ? huge_head(k, f) : f;
}
static inline bool kernel_is_linux(const struct kernel *k) { return k->config.personality == PERSONALITY_linux; }
static inline uint32_t kernel_slot(const struct kernel *k, uint32_t anon) { return anon_slot(&k->anons, anon); }
/* Modelled time passes. */
static inline void kernel_spend(struct kernel *k, uint64_t ns) { k->counts.modelled_ns += ns; }
/* The time of something that costs ns for 4 KiB, for a page. */
static inline uint64_t kernel_page_ns(const struct kernel *k, uint64_t ns) { return ns * kernel_page_bytes(k) >> 12; }
/* The same text, kept by the kernel.  NULL: no memory. */
const char *kernel_name(struct kernel *k, const char *text);
