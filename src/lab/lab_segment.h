/* lab_segment.h - segments in the lab: lab_segment.c (memory given out in segments) and lab_selector.c (the segment registers and
 * descriptor tables of an x86, over paging). */
#pragma once
#include "../machine/segment.h"
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
/* The same for those of x86, where an address is REGISTER:OFFSET. */
#define LAB_SELECTOR_LIST(X) \
	X(gdt, "ADDRESS LIMIT", "x86: where the global descriptor table is, and its last byte", 2, 2) \
	X(describe, "gdt|ldt INDEX [WORD...]", "x86: writes a descriptor: base=0x10000 limit=0xfff code data rx down dpl=0 ...", 2, 14) \
	X(ldt, "SELECTOR", "x86: loads the local descriptor table", 1, 1) \
	X(load, "REGISTER SELECTOR", "x86: loads ds, es, fs, gs or ss", 2, 2) \
	X(jump, "SELECTOR[:OFFSET]", "x86: a far jump", 1, 1) \
	X(call, "SELECTOR[:OFFSET]", "x86: a far call, also through a gate", 1, 1) \
	X(return, "SELECTOR [STACK]", "x86: a far return, also to an outer ring", 1, 2) \
	X(stack, "RING SELECTOR", "x86: the SS that calls into ring 0, 1 or 2 get", 2, 2)

/* The last thing that was done with segments. */
struct lab_segment_last {
	bool refused;            /* by table, limit, rights, or for want of room */
	uint64_t physical, base, limit, value, moved_bytes;
	bool swapped_in;
	uint64_t linear;         /* x86 */
	unsigned vector;         /* x86: of the exception; 0: none */
	uint16_t error;
};

struct lab_segments {
	struct segmem *memory;   /* NULL: none was made */
	struct lab_segment_last last;
	struct segment_unit unit; /* x86 */
};

void lab_segments_drop(struct lab *l);
void lab_segments_exit(struct lab *l, uint32_t pid);
void lab_segments_figures(struct lab *l, json_t *root);
enum lab_outcome lab_segments_show(struct lab *l);
const char *lab_segment_word(unsigned i); /* NULL past the end */
/* => NULL: no memory, and the line has failed */
struct lab_segments *lab_segments(struct lab *l);

/* lab_selector.c */
#define X(name, usage, summary, least, most) lab_handler lab_selector_##name;
LAB_SELECTOR_LIST(X)
#undef X
bool lab_selector_is(const char *word); /* is it REGISTER:OFFSET? */
enum lab_outcome lab_selector_access(struct lab *l, const struct lab_line *line, enum access_kind kind);
enum lab_outcome lab_selector_show(struct lab *l);
