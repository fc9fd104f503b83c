/* emulator.h - somebody else's MMU: qemu-system, stopped before its first instruction, with an image as its memory.
 *
 * No program ever runs in it.  The test writes page tables into the image, the root into the CPU's register, and asks the monitor
 * what the CPU would make of an address. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct emulator;

/* One mapping as the monitor lists it (a range, for the riscv listing merges neighbours). */
struct emulator_mapping {
	uint64_t va, pa, bytes;
	bool read, write, exec, user, global, accessed, dirty;
	bool huge;  /* x86: a leaf above level 0 */
};

/* Starts the emulator that walks tables of the named format with the root at physical address root (and that of the upper half, for
 * Arm, at upper, or UINT64_MAX), and the file image (of the given size) as all of its memory.  Of that, Arm and PowerPC need the
 * last four bytes for themselves.
 * => NULL when that emulator is not installed. */
struct emulator *emulator_start(const char *format, uint64_t root, uint64_t upper, const char *image, uint64_t bytes);
void emulator_stop(struct emulator *e);

/* gva2gpa: the physical address.  => false: the address does not translate. */
bool emulator_translate(struct emulator *e, uint64_t va, uint64_t *ret);

/* Arm: AT, as one kind of access.  => false: *ret is the fault status code (Arm ARM, PAR_EL1.FST) */
bool emulator_access(struct emulator *e, uint64_t va, bool store, bool user, uint64_t *ret);

/* info tlb, info mem: everything that is mapped (nothing on Arm and PowerPC, whose monitors have no such list).
 * => *ret lives until the next call; returns how many. */
unsigned emulator_list(struct emulator *e, const struct emulator_mapping **ret);

/* A guest under RISC-V's hypervisor extension: its tables, of "sv39", "sv48" or "sv57" with their root at physical address root of its own
 * memory, over an Sv39x4 table at host of the image, which is all of memory.  The last eight bytes are the emulator's.
 * => NULL when that emulator is not installed or has no such extension. */
struct emulator *emulator_start_guest(const char *format, uint64_t root, uint64_t host, const char *image, uint64_t bytes);

enum emulator_kind { EMULATOR_LOAD, EMULATOR_STORE, EMULATOR_FETCH };
struct emulator_trap {
	unsigned cause;   /* of the manual's "Supervisor cause register"; EMULATOR_NO_TRAP: there was none */
	uint64_t address; /* mtval */
	uint64_t guest_address; /* mtval2: of the guest's memory, without its last two bits */
};
enum { EMULATOR_NO_TRAP = 63 };
/* One access by the guest's user, or its kernel (which may use its user's pages); fetches by the user alone.  A load gives the eight bytes
 * at va; a store stores word there. */
struct emulator_trap emulator_guest_access(struct emulator *e, uint64_t va, enum emulator_kind kind, bool user, uint64_t *word);
/* Puts eight bytes into memory. */
void emulator_poke(struct emulator *e, uint64_t pa, uint64_t word);
