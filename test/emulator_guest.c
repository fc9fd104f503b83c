/* emulator_guest.c - a guest inside the emulator, one access at a time.
 *
 * Problem: the emulator's debugger cannot ask what a guest's address leads to; only a guest can.
 * Idea: the CPU makes single steps, as for Arm's registers in emulator.c: instructions that access memory as a guest would, or that become
 * one, and what traps is told by registers or in memory.
 * Source: RISC-V privileged, "Hypervisor Extension"; AMD64 Architecture Programmer's Manual, volume 2, chapter 15, "Secure Virtual
 * Machine", and appendix B (the layout of the VMCB). */
#include "emulator_door.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RISC-V's hypervisor extension can be used from machine mode, one instruction at a time as on Arm: hlv.d and hsv.d make a guest's
 * loads and stores, mret goes to where it would fetch.  What traps there is told by the registers of machine mode.  (RISC-V
 * privileged, "Hypervisor Extension", "Hypervisor Virtual-Machine Load and Store Instructions".) */
enum { RISCV_VSSTATUS = RISCV_CSR + 0x200, RISCV_VSATP = RISCV_CSR + 0x280, RISCV_MSTATUS = RISCV_CSR + 0x300,
       RISCV_MTVEC = RISCV_CSR + 0x305, RISCV_MEPC = RISCV_CSR + 0x341, RISCV_MCAUSE = RISCV_CSR + 0x342,
       RISCV_MTVAL = RISCV_CSR + 0x343, RISCV_MTVAL2 = RISCV_CSR + 0x34b, RISCV_HSTATUS = RISCV_CSR + 0x600,
       RISCV_HGATP = RISCV_CSR + 0x680, RISCV_A0 = 10, RISCV_A1 = 11 };
enum { RISCV_HLV = 0x6c054573, RISCV_HSV = 0x6eb54073, RISCV_MRET = 0x30200073, RISCV_HFENCE = 0x62000073 };
#define RISCV_SUM  (1ull << 18) /* vsstatus: the kernel may use its user's pages */
#define RISCV_SPVP (1ull << 8)  /* hstatus: hlv and hsv are the guest kernel's, not its user's */
#define RISCV_MPV  (1ull << 39) /* mstatus: mret goes to the guest; MPP 0: to its user */

/* ---- a guest ---- */

static uint64_t register_get(struct emulator *e, int number)
{
	char text[20];
	snprintf(text, sizeof text, "p%x", (unsigned)number);
	return __builtin_bswap64(strtoull(emulator_ask(e, text), NULL, 16));
}

static void memory_set(struct emulator *e, uint64_t pa, unsigned bytes, uint64_t value)
{
	char text[80];
	int n = snprintf(text, sizeof text, "M%llx,%x:", (unsigned long long)pa, bytes);
	for (unsigned i = 0; i < bytes; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, "%02x", (unsigned)(value >> 8 * i & 255));
	if (strcmp(emulator_ask(e, text), "OK") != 0)
		emulator_give_up("%s refuses memory at 0x%llx: '%s'", e->model->program, (unsigned long long)pa, e->reply);
}

void emulator_poke(struct emulator *e, uint64_t pa, uint64_t word) { memory_set(e, pa, 8, word); }

static uint64_t memory_get(struct emulator *e, uint64_t pa)
{
	char text[40];
	snprintf(text, sizeof text, "m%llx,8", (unsigned long long)pa);
	return __builtin_bswap64(strtoull(emulator_ask(e, text), NULL, 16));
}

static void step(struct emulator *e)
{
	if (*emulator_ask(e, "s") != 'T')
		emulator_give_up("%s does not step: '%s'", e->model->program, e->reply);
}

/* ---- RISC-V ---- */

static struct emulator *riscv_start(const char *format, uint64_t root, uint64_t host, const char *image, uint64_t bytes)
{
	static struct model m = { .program = "qemu-system-riscv64", .cpu = "rv64,pmp=off,h=true" };
	const struct model *like = emulator_model(format);
	struct emulator *e = emulator_started(&m, image, bytes);
	if (!e)
		return NULL;
	m.format = format;
	e->code = bytes - 8;
	emulator_set(e, RISCV_HGATP, 8ull << 60 | host >> 12);
	if (register_get(e, RISCV_HGATP) != (8ull << 60 | host >> 12)) {
		emulator_stop(e);
		return NULL;
	}
	emulator_set(e, RISCV_VSATP, like->or_in | root >> 12);
	emulator_set(e, RISCV_SATP, like->or_in); /* not used, but asked whether there is paging at all, and so page faults */
	emulator_set(e, RISCV_VSSTATUS, RISCV_SUM);
	emulator_set(e, RISCV_MTVEC, e->code);
	e->guest_user = true;
	return e;
}

static void riscv_step(struct emulator *e, uint32_t instruction)
{
	if (e->there != instruction)
		memory_set(e, e->code, 4, instruction);
	e->there = instruction;
	emulator_set(e, RISCV_PC, e->code);
	step(e);
}

/* Its TLB does not tell the guest's kernel from its user, so it is emptied in between. */
static void guest_become(struct emulator *e, bool user)
{
	if (e->guest_user == user)
		return;
	e->guest_user = user;
	emulator_set(e, RISCV_HSTATUS, user ? 0 : RISCV_SPVP);
	riscv_step(e, RISCV_HFENCE);
}

static struct emulator_trap riscv_access(struct emulator *e, uint64_t va, enum emulator_kind kind, bool user, uint64_t *word)
{
	struct emulator_trap t = { 0 };
	guest_become(e, user);
	emulator_set(e, RISCV_MCAUSE, EMULATOR_NO_TRAP);
	if (kind == EMULATOR_FETCH) { /* the second step fetches, and traps in any case: what is there is no instruction */
		emulator_set(e, RISCV_MSTATUS, RISCV_MPV);
		emulator_set(e, RISCV_MEPC, va);
		riscv_step(e, RISCV_MRET);
		step(e);
	} else {
		emulator_set(e, RISCV_A0, va);
		if (kind == EMULATOR_STORE)
			emulator_set(e, RISCV_A1, *word);
		riscv_step(e, kind == EMULATOR_STORE ? RISCV_HSV : RISCV_HLV);
	}
	t.cause = (unsigned)register_get(e, RISCV_MCAUSE);
	if (t.cause == EMULATOR_NO_TRAP && kind == EMULATOR_LOAD)
		*word = register_get(e, RISCV_A0);
	if (t.cause != EMULATOR_NO_TRAP)
		t.address = register_get(e, RISCV_MTVAL);
	if (t.cause >= 20 && t.cause <= 23)
		t.guest_address = register_get(e, RISCV_MTVAL2) << 2;
	return t;
}

/* ---- AMD ---- */

/* From the end of memory: the host's instructions, the guest's control block, where VMRUN keeps the host's state, the host's own tables,
 * which map the first two gigabytes to themselves. */
enum { AMD_CODE = 8, AMD_VMCB = 7, AMD_HSAVE = 6, AMD_TABLES = 5 };
enum { VMCB_EXCEPTIONS = 0x08, VMCB_CALLS = 0x10, VMCB_ASID = 0x58, VMCB_FLUSH = 0x5c, VMCB_EXIT = 0x70, VMCB_INFO1 = 0x78,
       VMCB_INFO2 = 0x80, VMCB_NESTED = 0x90, VMCB_NESTED_CR3 = 0xb0, VMCB_CS = 0x410, VMCB_SS = 0x420, VMCB_CPL = 0x4cb,
       VMCB_EFER = 0x4d0, VMCB_CR4 = 0x548, VMCB_CR3 = 0x550, VMCB_CR0 = 0x558, VMCB_DR7 = 0x560, VMCB_DR6 = 0x568, VMCB_RFLAGS = 0x570,
       VMCB_RIP = 0x578, VMCB_RAX = 0x5f8, VMCB_PAT = 0x668 };
enum { EXIT_NONE = 0x7777, EXIT_UNDEFINED = 0x46, EXIT_PROTECTION = 0x4d, EXIT_PAGE_FAULT = 0x4e, EXIT_CALL = 0x81, EXIT_NESTED = 0x400 };
enum { AMD_STORE_AT = 16, AMD_STEPS = 8 };
#define AMD_VMRUN 0x9090909090d8010full /* and nops, for what is stepped over behind it */
#define AMD_WRMSR 0x909090909090300full
#define AMD_HSAVE_MSR 0xc0010117u
#define AMD_CR0 0x80010011ull /* protected, paged, read-only pages are so for the kernel too */
#define AMD_EFER 0x1d00ull

static uint64_t amd_page(const struct emulator *e, unsigned from_end) { return e->code + 4096ull * (AMD_CODE - from_end); }
static void vmcb_set(struct emulator *e, unsigned at, unsigned bytes, uint64_t v) { memory_set(e, amd_page(e, AMD_VMCB) + at, bytes, v); }
static uint64_t vmcb_get(struct emulator *e, unsigned at) { return memory_get(e, amd_page(e, AMD_VMCB) + at); }

void emulator_guest_code(uint8_t page[EMULATOR_CODE])
{
	static const uint8_t load[] = { 0x48, 0x8b, 0x08, 0x0f, 0x01, 0xd9 }, store[] = { 0x48, 0x89, 0x08, 0x0f, 0x01, 0xd9 };
	memcpy(page, load, sizeof load); /* mov (%rax), %rcx; vmmcall */
	memcpy(page + AMD_STORE_AT, store, sizeof store);
}

/* The host: long mode, with a code segment from a descriptor that is looked at once. */
static void amd_host_start(struct emulator *e)
{
	uint64_t tables = amd_page(e, AMD_TABLES);
	emulator_poke(e, tables, (tables + 4096) | 7);
	emulator_poke(e, tables + 4096, 0x87);
	emulator_poke(e, tables + 4096 + 8, 1 << 30 | 0x87);
	emulator_poke(e, 8, 0x00af9b000000ffffull);
	emulator_set(e, X86_CR4, 0x20);
	emulator_set(e, X86_CR3, tables);
	emulator_set(e, X86_EFER, AMD_EFER & ~0x400ull);
	emulator_set(e, X86_CR0, AMD_CR0);
	emulator_set(e, X86_CS, 8);
	emulator_set(e, X86_RCX, AMD_HSAVE_MSR);
	emulator_set(e, X86_RAX, amd_page(e, AMD_HSAVE));
	emulator_set(e, X86_RDX, 0);
	emulator_poke(e, e->code, AMD_WRMSR);
	emulator_set(e, X86_RIP, e->code);
	step(e);
	emulator_poke(e, e->code, AMD_VMRUN);
	emulator_poke(e, e->code + 8, 0x9090909090909090ull);
}

static void amd_user(struct emulator *e, bool user)
{
	e->guest_user = user;
	vmcb_set(e, VMCB_CS + 2, 2, user ? 0xafb : 0xa9b);
	vmcb_set(e, VMCB_SS + 2, 2, user ? 0xcf3 : 0xc93);
	vmcb_set(e, VMCB_CPL, 1, user ? 3 : 0);
}

static struct emulator *amd_start(const char *format, uint64_t root, uint64_t host, uint64_t code, const char *image, uint64_t bytes)
{
	static struct model m = { .program = "qemu-system-x86_64", .cpu = "qemu64,+nx,+pdpe1gb,+la57,+svm,+npt,apic-id=0,-apic" };
	struct emulator *e = emulator_started(&m, image, bytes);
	if (!e)
		return NULL;
	m.format = format;
	e->code = bytes - 4096 * AMD_CODE;
	e->guest_code = code;
	amd_host_start(e);
	const struct { unsigned at, bytes; uint64_t value; } set[] = {
		{ VMCB_EXCEPTIONS, 4, 0xffffffff }, { VMCB_CALLS, 4, 3 }, { VMCB_ASID, 4, 1 }, { VMCB_FLUSH, 1, 1 }, { VMCB_NESTED, 8, 1 },
		{ VMCB_NESTED_CR3, 8, host }, { VMCB_CS + 4, 4, 0xffffffff }, { VMCB_SS + 4, 4, 0xffffffff }, { VMCB_EFER, 8, AMD_EFER },
		{ VMCB_CR4, 8, strcmp(format, "x86-64") == 0 ? 0x20 : 0x1020 }, { VMCB_CR3, 8, root }, { VMCB_CR0, 8, AMD_CR0 },
		{ VMCB_DR7, 8, 0x400 }, { VMCB_DR6, 8, 0xffff0ff0 }, { VMCB_RFLAGS, 8, 2 }, { VMCB_PAT, 8, 0x0007040600070406 },
	};
	for (unsigned i = 0; i < sizeof set / sizeof *set; i++)
		vmcb_set(e, set[i].at, set[i].bytes, set[i].value);
	amd_user(e, true);
	return e;
}

/* Behind its VMRUN?  While the guest has the CPU, the debugger sees its memory. */
static bool amd_is_back(struct emulator *e, unsigned steps)
{
	uint64_t at = register_get(e, X86_RIP) - e->code;
	return steps > 0 && at >= 3 && at < 16;
}

static struct emulator_trap amd_access(struct emulator *e, uint64_t va, enum emulator_kind kind, bool user, uint64_t *word)
{
	static const unsigned first[] = { 13, 15, 12 }, second[] = { 21, 23, 20 };
	if (e->guest_user != user)
		amd_user(e, user);
	vmcb_set(e, VMCB_EXIT, 8, EXIT_NONE);
	vmcb_set(e, VMCB_RAX, 8, va);
	vmcb_set(e, VMCB_RIP, 8, kind == EMULATOR_FETCH ? va : e->guest_code + (kind == EMULATOR_STORE ? AMD_STORE_AT : 0));
	emulator_set(e, X86_RCX, *word);
	emulator_set(e, X86_RAX, amd_page(e, AMD_VMCB));
	emulator_set(e, X86_RIP, e->code);
	for (unsigned i = 0; i < AMD_STEPS && !amd_is_back(e, i); i++)
		step(e);
	switch (vmcb_get(e, VMCB_EXIT)) {
	case EXIT_CALL:
		*word = register_get(e, X86_RCX);
		return (struct emulator_trap){ .cause = EMULATOR_NO_TRAP };
	case EXIT_UNDEFINED: return (struct emulator_trap){ .cause = EMULATOR_FETCHED };
	case EXIT_PROTECTION: return (struct emulator_trap){ .cause = first[kind], .address = va }; /* not canonical */
	case EXIT_PAGE_FAULT: return (struct emulator_trap){ .cause = first[kind], .address = vmcb_get(e, VMCB_INFO2) };
	case EXIT_NESTED:
		return (struct emulator_trap){ .cause = second[kind], .guest_address = vmcb_get(e, VMCB_INFO2) & ~3ull };
	default: emulator_give_up("%s: the guest ends with 0x%llx", e->model->program, (unsigned long long)vmcb_get(e, VMCB_EXIT));
	}
}

/* ---- either ---- */

static bool is_amd(const char *format) { return strncmp(format, "x86", 3) == 0; }

struct emulator *emulator_start_guest(const char *format, uint64_t root, uint64_t host, uint64_t code, const char *image, uint64_t bytes)
{
	return is_amd(format) ? amd_start(format, root, host, code, image, bytes) : riscv_start(format, root, host, image, bytes);
}

struct emulator_trap emulator_guest_access(struct emulator *e, uint64_t va, enum emulator_kind kind, bool user, uint64_t *word)
{
	return is_amd(e->model->format) ? amd_access(e, va, kind, user, word) : riscv_access(e, va, kind, user, word);
}

uint64_t emulator_no_instruction(const struct emulator *e) { return is_amd(e->model->format) ? 0x0b0f0b0f0b0f0b0full : 0; }
