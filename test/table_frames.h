/* table_frames.h - frames for page tables, dealt out in order and never given again: a kernel's part towards a pmap, for tests. */
#pragma once
#include "../src/machine/machine.h"
#include "../src/pmap/pmap.h"

struct table_frames {
	struct machine *machine; /* whose memory they are of */
	uint64_t next;           /* the next to be dealt */
	uint64_t taken;          /* how many are out */
};

/* What a pmap asks for tables: frames is to outlive it. */
struct pmap_env table_frames_env(struct table_frames *frames);
