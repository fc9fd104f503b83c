/* kernel_world.h - a kernel with everything around it, over the array or over the simulated machine, and the accesses of programs.
 *
 * Bytes are moved as a program moves them: over the array through its translations, over the machine through TLBs and page tables,
 * with faults served on the way.  The machine is a tiny one, with a format of its own whose tables are small. */
#pragma once
#include "../src/kernel/kernel.h"
#include "../src/machine/machine.h"
#include "space_model.h"
#include <stdbool.h>
#include <stdint.h>

enum { WORLD_PAGE = 4096, WORLD_BASE = 1024, WORLD_CPUS = 2, WORLD_FILE_BYTES = MODEL_FILE_PAGES * WORLD_PAGE };
/* Pages below one entry of the second level of the machine's page tables. */
enum { WORLD_HUGE_SHIFT = 3, WORLD_HUGE_PAGES = 1 << WORLD_HUGE_SHIFT };

struct world_want {
	bool machine;                /* otherwise the array */
	unsigned asid_bits;
	const char *policy, *swap;   /* swap: NULL: none */
	uint64_t swap_slots;         /* 0: as many as wanted */
	uint64_t n_frames, page_frames;
	enum personality personality;
	bool cold_files, hides_recency;
	enum overcommit overcommit;
	enum replacement replacement; /* local: without huge pages */
	enum allocation allocation;
	enum huge_when huge;         /* machine */
	unsigned fragment;
	uint64_t seed;
};

struct world {
	struct machine *m;           /* NULL: the array */
	struct physmem array_memory;
	struct pmap_sys *pmap;
	struct store *swap;
	struct kernel *kernel;
	struct kernel_files files;
	uint8_t file[MODEL_FILES][WORLD_FILE_BYTES];
};

/* => on error nothing is left open */
must_use enum pw_err world_open(struct world *w, const struct world_want *want);
void world_close(struct world *w);

static inline vaddr_t world_address(uint64_t page) { return vaddr((WORLD_BASE + page) * WORLD_PAGE); }
/* Where the words of a page lie. */
unsigned world_word_at(unsigned word);

/* As a program on that CPU.  => PW_ACCESS: SIGSEGV, PW_IO: SIGBUS, PW_NOFRAMES: killed, PW_CORRUPT: other bytes than the words are not
 * zero, PW_BUSY: it faults for ever */
must_use enum pw_err world_read(struct world *w, struct process *p, unsigned cpu, uint64_t page, struct model_words *ret);
must_use enum pw_err world_write(struct world *w, struct process *p, unsigned cpu, uint64_t page, unsigned word, uint64_t value);
must_use enum pw_err world_fetch(struct world *w, struct process *p, unsigned cpu, uint64_t page);
/* As a system call, or a library's user. */
must_use enum pw_err world_copy_out(struct world *w, struct process *p, uint64_t page, struct model_words *ret);
must_use enum pw_err world_copy_in(struct world *w, struct process *p, uint64_t page, unsigned word, uint64_t value);
