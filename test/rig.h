/* rig.h - a kernel over pmap_model with everything a test needs around it: memory, swap, files, and a program made of calls. */
#pragma once
#include "../src/kernel/kernel.h"
#include <stdint.h>

enum { RIG_FILES = 8, RIG_FILE_BYTES = 64 * 1024 };

struct rig_want {
	const char *policy;          /* "lru" unless said */
	const char *swap;            /* spec; NULL: none */
	uint64_t swap_slots;         /* 0: as many as wanted */
	uint64_t n_frames, page_frames;
	enum personality personality;
	bool carries_data;
	bool file_cache_cold;
	bool hides_recency;          /* no log of references for the policy */
	uint64_t seed;
	/* For policies that want the future: what refer() will be called with. */
	const uint32_t *page;
	uint64_t n_refs;
};

struct rig {
	struct kernel *kernel;
	struct pmap_sys *pmap;
	struct physmem memory;
	struct store *swap;
	struct kernel_files files;
	uint8_t *file_bytes;         /* RIG_FILES of RIG_FILE_BYTES each */
	uint64_t *next;              /* of each reference: when its page is referenced again */
	uint64_t *page_next;         /* of each page: its next reference from now on */
	uint64_t n_pages, now;
	bool has_memory;
};

/* => on error nothing is left open */
enum pw_err rig_open(struct rig *r, const struct rig_want *want);
void rig_close(struct rig *r);

/* One reference by a process: faults are served until it succeeds.  Returns the outcome of the last fault, RESOLVED if there was
 * none; *ret_faults counts them. */
enum fault_outcome rig_touch(struct rig *r, struct process *p, uint64_t page, enum access_kind kind, unsigned *ret_faults);

/* A process whose every page exists on disk, making these references.  => false: a reference was refused */
bool rig_run_trace(struct rig *r, const uint32_t *page, const bool *is_store, uint64_t n);

struct kernel_counts rig_counts(const struct rig *r);
