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

/* A guest: its tables, with their root at physical address root of its own memory, over a host's at host of the image, which is all of
 * memory but for its last EMULATOR_BYTES.  "sv39", "sv48", "sv57" over Sv39x4, by RISC-V's hypervisor extension; "x86-64" and
 * "x86-64-la57" over x86-64, by AMD's nested paging: code is where the guest has a page with emulator_guest_code() that its user and its
 * kernel may execute.
 * => NULL when that emulator is not installed or has no guests. */
enum { EMULATOR_BYTES = 8 * 4096 };
struct emulator *emulator_start_guest(const char *format, uint64_t root, uint64_t host, uint64_t code, const char *image, uint64_t bytes);
enum { EMULATOR_CODE = 32 };
void emulator_guest_code(uint8_t page[EMULATOR_CODE]);

enum emulator_kind { EMULATOR_LOAD, EMULATOR_STORE, EMULATOR_FETCH };
/* What stops an access, in the words of RISC-V (scause): load, store and fetch page faults of the guest's tables and of the host's. */
struct emulator_trap {
	unsigned cause;         /* 13, 15, 12; 21, 23, 20; EMULATOR_NO_TRAP: there was none; EMULATOR_FETCHED */
	uint64_t address;       /* of the first kind: of the guest */
	uint64_t guest_address; /* of the second: of its memory, without the last two bits */
};
enum { EMULATOR_NO_TRAP = 63, EMULATOR_FETCHED = 2 };
/* One access by the guest's user, or its kernel (which may use its user's pages); fetches by the user alone, of a word that is
 * emulator_no_instruction().  A load gives the eight bytes at va; a store stores word there. */
struct emulator_trap emulator_guest_access(struct emulator *e, uint64_t va, enum emulator_kind kind, bool user, uint64_t *word);
uint64_t emulator_no_instruction(const struct emulator *e);
/* Puts eight bytes into memory. */
void emulator_poke(struct emulator *e, uint64_t pa, uint64_t word);
