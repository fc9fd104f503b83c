/* lab_segment.h - segments in the lab: what lab_segment.c (memory given out in segments) shares with the rest of the session. */
#pragma once
#include "../segment/segmem.h"
#include "lab_impl.h"

/* name, usage, summary, least and most words after the name */
#define LAB_SEGMENT_LIST(X) \
	X(memory, "SIZE [fit=WORD] [compact=no] [swap=WORD]", "a memory for segments: fit=first, swap=lru ...", 1, 4) \
	X(make, "NUMBER SIZE [RIGHTS[s]] [at BASE]", "a segment of the running process; s: for the supervisor alone", 2, 5) \
	X(grow, "NUMBER SIZE", "changes its limit; where no room is behind it, it moves", 2, 2) \
	X(drop, "NUMBER", "takes it out of the table of the running process", 1, 1) \
	X(share, "NUMBER PROCESS [NUMBER [RIGHTS]]", "the same segment in another process's table", 2, 4) \
	X(read, "NUMBER:OFFSET [BYTES]", "reads a number, or that many bytes", 1, 2) \
	X(write, "NUMBER:OFFSET NUMBER|\"TEXT\"", "writes it: eight bytes, or the characters", 2, 2) \
	X(fetch, "NUMBER:OFFSET", "fetches an instruction", 1, 1) \
	X(compact, "", "slides all segments together", 0, 0) \
	X(out, "NUMBER", "swaps it out", 1, 1) \
	X(compare, "[STEPS [SEED]]", "the same random segments for every fit, side by side", 0, 2)

/* The last thing that was done with segments. */
struct lab_segment_last {
	bool refused;            /* by table, limit, rights, or for want of room */
	uint64_t physical, base, limit, value, moved_bytes;
	bool swapped_in;
};

struct lab_segments {
	struct segmem *memory;   /* NULL: none was made */
	struct lab_segment_last last;
};

void lab_segments_drop(struct lab *l);
void lab_segments_exit(struct lab *l, uint32_t pid);
void lab_segments_figures(struct lab *l, json_t *root);
enum lab_outcome lab_segments_show(struct lab *l);
const char *lab_segment_word(unsigned i); /* NULL past the end */
