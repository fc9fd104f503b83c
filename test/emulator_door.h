/* emulator_door.h - what the files of the emulator share: emulator.c (the door), emulator_guest.c (guests in it). */
#pragma once
#include "emulator.h"
#include <stddef.h>
#include <sys/types.h>

/* Numbers of registers in QEMU's description of each CPU. */
enum { X86_RAX = 0, X86_RCX = 2, X86_RDX = 3, X86_RIP = 16, X86_CS = 18, X86_CR0 = 27, X86_CR3 = 29, X86_CR4 = 30, X86_EFER = 32,
       RISCV_PC = 32, RISCV_CSR = 66, RISCV_SATP = RISCV_CSR + 0x180 };

struct model {
	const char *format, *program, *cpu;
	struct {
		int number;
		uint64_t value;
	} set[5];             /* ended by number 0 */
	int root_register;
	unsigned root_shift;  /* the register holds root >> shift, with or_in */
	uint64_t or_in;
	uint64_t arm_tcr;
	const char *computer; /* PowerPC: around the CPU; NULL: none */
};

struct emulator {
	const struct model *model;
	pid_t pid;
	int fd;
	uint64_t code;    /* Arm, guests: where the next instruction is put */
	uint32_t there;   /* guests: the one that is there */
	bool guest_user;  /* guests: who made the last access */
	uint64_t guest_code; /* AMD: where the guest has its instructions */
	char in[4096];
	size_t in_at, in_n;
	char *reply;      /* the last packet, or the text of the last monitor command */
	size_t reply_n;
	struct emulator_mapping *list;
};

/* Ends the test with one line. */
void emulator_give_up(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* A packet of the debugger's, and its answer, valid until the next. */
const char *emulator_ask(struct emulator *e, const char *text);
void emulator_set(struct emulator *e, int number, uint64_t value);
/* => it is known */
const struct model *emulator_model(const char *format);
/* A CPU of the model, stopped, with the image as its memory; its registers can be reached.  => NULL: it is not installed */
struct emulator *emulator_started(const struct model *m, const char *image, uint64_t bytes);
