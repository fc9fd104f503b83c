/* emulator.c - a small CPU over the MMU alone.
 *
 * The CPU has one register and six instructions of eight bytes.  It knows no address translation: every fetch, load and store asks the
 * MMU.  The page tables are RISC-V Sv39, and are made by this program, which is the guest's kernel as well: a page fault gets a page,
 * a store to the code is refused.
 *
 *     cc emulator.c $(pkg-config --cflags --libs pageworks) && ./a.out */
#include <pageworks.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY = 1 << 20, PAGE = 4096, ENTRIES = 512 };
enum { VALID = 1, READ = 2, WRITE = 4, EXEC = 8, USER = 16 };
enum { HALT, SET, ADD, LOAD, STORE, LOOP }; /* LOOP: back to the start until the register reaches the operand */

struct guest {
	struct pw_mmu *mmu;
	uint8_t *memory;
	uint64_t next_frame; /* memory is dealt out from the bottom and never taken back */
};

static uint64_t frame_take(struct guest *g)
{
	if (g->next_frame * PAGE == MEMORY) {
		fprintf(stderr, "the guest is out of memory\n");
		exit(1);
	}
	return g->next_frame++;
}

/* Maps a page: three levels of tables, of which those that are missing are made. */
static void page_map(struct guest *g, uint64_t root, uint64_t address, uint64_t frame, unsigned rights)
{
	uint64_t table = root;
	for (int level = 2; level > 0; level--) {
		uint64_t *entry = (uint64_t *)(g->memory + table * PAGE) + (address >> (12 + 9 * level) & (ENTRIES - 1));
		if (!(*entry & VALID))
			*entry = frame_take(g) << 10 | VALID;
		table = *entry >> 10;
	}
	((uint64_t *)(g->memory + table * PAGE))[address >> 12 & (ENTRIES - 1)] = frame << 10 | rights | USER | VALID;
}

/* Where an access goes.  The kernel of the guest serves page faults of its heap.  => NULL: the program is to be ended */
static uint64_t *at(struct guest *g, uint64_t root, uint64_t address, enum pw_kind kind)
{
	for (;;) {
		uint64_t physical;
		enum pw_trap trap = pw_mmu_translate(g->mmu, 0, address, kind, &physical);
		if (trap == PW_TRAP_NONE)
			return (uint64_t *)(g->memory + physical);
		if (trap != PW_TRAP_NOT_PRESENT || address >> 28 != 1) {
			char *story = pw_mmu_explain(g->mmu, 0, address, kind);
			printf("the program is ended: %s\n%s", pw_trap_text(trap), story ? story : "");
			pw_free(story);
			return NULL;
		}
		page_map(g, root, address, frame_take(g), READ | WRITE);
		pw_mmu_flush_page(g->mmu, 1, address);
	}
}

/* => how many instructions were carried out */
static uint64_t program_run(struct guest *g, uint64_t root, uint64_t start)
{
	uint64_t pc = start, reg = 0, n = 0, *word;
	while ((word = at(g, root, pc, PW_FETCH))) {
		uint64_t code = *word >> 56, operand = *word & 0xffffffffffffff, *data = NULL;
		if (code == LOAD || code == STORE) {
			uint64_t spread = operand >> 28 == 1 ? reg % 64 * PAGE : 0; /* over the heap */
			data = at(g, root, operand + spread, code == LOAD ? PW_LOAD : PW_STORE);
			if (!data)
				return n;
		}
		pc += 8;
		n++;
		switch (code) {
		case HALT: return n;
		case SET: reg = operand; break;
		case ADD: reg += operand; break;
		case LOAD: reg = *data; break;
		case STORE: *data = reg; break;
		case LOOP: pc = reg < operand ? start + 8 : pc; break;
		default: return n;
		}
	}
	return n;
}

static uint64_t op(uint64_t code, uint64_t operand) { return code << 56 | operand; }

int main(void)
{
	const char *const options[] = { "format=sv39", "tlb=l1=8/fa", NULL };
	struct guest g = { .next_frame = 0 };
	char *why;
	if (pw_mmu_create(options, MEMORY, &g.mmu, &why) != PW_SUCCESS) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	g.memory = pw_mmu_memory(g.mmu, NULL);
	uint64_t root = frame_take(&g), code = frame_take(&g);
	page_map(&g, root, 0x400000, code, READ | EXEC);
	if (pw_mmu_load_root(g.mmu, 0, root * PAGE, 1) != PW_SUCCESS)
		return 1;
	/* Counts to 1000,
	        storing the count to one of 64 pages of the heap and reading it back each time; then it stores to its own code. */
	const uint64_t program[] = {
		op(SET, 0), op(STORE, 0x10000000), op(LOAD, 0x10000000), op(ADD, 1), op(LOOP, 1000), op(STORE, 0x400000), op(HALT, 0),
	};
	memcpy(g.memory + code * PAGE, program, sizeof program);
	uint64_t n = program_run(&g, root, 0x400000);
	double walks, misses, references;
	if (pw_mmu_figure(g.mmu, "walks.count", &walks) != PW_SUCCESS || pw_mmu_figure(g.mmu, "tlb.l1.misses", &misses) != PW_SUCCESS ||
	    pw_mmu_figure(g.mmu, "references.total", &references) != PW_SUCCESS)
		return 1;
	printf("%llu instructions, %.0f references, %.0f TLB misses, %.0f walks, %llu frames used\n", (unsigned long long)n, references,
	       misses,
	       walks, (unsigned long long)g.next_frame);
	pw_mmu_destroy(g.mmu);
	return n > 3000 && walks > 64 ? 0 : 1;
}
