/* emulator.c - talks to qemu-system through its debugger's door.
 *
 * Problem: the tables must be walked by code that is not ours, from memory that we wrote, without writing an operating system
 * that boots far enough to turn paging on.
 * Idea: machine type "none" has a CPU and memory and nothing else, so physical address 0 is byte 0 of the image, with no hole for
 * video and no firmware in the way.  The CPU never runs.  The debugger's protocol (a packet is $text#checksum) writes the control
 * registers, and carries monitor commands as qRcmd.
 *
 * Rejected: a boot stub that enables paging.  Its first instruction after that would be fetched through the very tables that are
 * being tested, which do not map it.
 * Source: the QEMU manual, "GDB usage" and "QEMU Monitor"; the GDB manual, appendix "Remote Protocol". */
#include "emulator_door.h"
#include "../src/base/mem.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPLY_MAX = 1 << 22, MAPPINGS_MAX = 1 << 16 };

/* Numbers of registers in QEMU's description of each CPU. */
enum { RISCV_PRIV = 65, ARM_PC = 32 };

/* Arm's system registers cannot be written through the debugger, and its monitor translates for the state the CPU is in, which is
 * EL2.  So instructions are put into memory one at a time, and the CPU makes single steps: MSR from X0, AT with the address in
 * X0, MRS to X0.  (Arm ARM, C5.2, C5.3, D19.2.) */
enum { ARM_SCTLR = 0xd5181000, ARM_TTBR0 = 0xd5182000, ARM_TTBR1 = 0xd5182020, ARM_TCR = 0xd5182040, ARM_HCR = 0xd51c1100,
       ARM_READ_PAR = 0xd5387400, ARM_AT_EL1 = 0xd5087800, ARM_AT_EL0 = 0xd5087840, ARM_AT_STORE = 0x20 };

/* PowerPC's segment registers are set in the same way.  Its CPUs cannot be had without a computer around them, whose firmware
 * need not be one, for it never runs.  (Programming Environments, 8.2: mtsr, mtspr; 2.3.) */
enum { PPC_NIP = 64, PPC_MSR = 65, PPC_R3 = 3, PPC_MTSR_R3 = 0x7c6001a4, PPC_MTSDR1_R3 = 0x7c7903a6, PPC_TRANSLATED = 0x30 };

/* Both halves of 48 bits, walkers that set accessed and dirty, and TG0 and TG1 as the granule has them. */
#define ARM_TCR_OF(tg0, tg1) (16ull | (tg0) << 14 | 16ull << 16 | (tg1) << 30 | 5ull << 32 | 3ull << 39)

static const struct model models[] = {
	{ "x86-64", "qemu-system-x86_64", "qemu64,+nx,+pdpe1gb,apic-id=0,-apic",
	  { { X86_CR4, 0x20 }, { X86_CR0, 0x80000011 }, { X86_EFER, 0xd00 } }, X86_CR3, 0, 0 },
	{ "x86-64-la57", "qemu-system-x86_64", "qemu64,+nx,+pdpe1gb,+la57,apic-id=0,-apic",
	  { { X86_CR4, 0x1020 }, { X86_CR0, 0x80000011 }, { X86_EFER, 0xd00 } }, X86_CR3, 0, 0 },
	{ "x86-pae", "qemu-system-x86_64", "qemu64,+nx,apic-id=0,-apic",
	  { { X86_CR4, 0x20 }, { X86_CR0, 0x80000011 }, { X86_EFER, 0x800 } }, X86_CR3, 0, 0 },
	{ "x86-32", "qemu-system-x86_64", "qemu64,apic-id=0,-apic", { { X86_CR4, 0x10 }, { X86_CR0, 0x80000011 } }, X86_CR3, 0, 0 },
	{ "sv39", "qemu-system-riscv64", "rv64,pmp=off", { { RISCV_PRIV, 0 } }, RISCV_SATP, 12, 8ull << 60 },
	{ "sv48", "qemu-system-riscv64", "rv64,pmp=off", { { RISCV_PRIV, 0 } }, RISCV_SATP, 12, 9ull << 60 },
	{ "sv57", "qemu-system-riscv64", "rv64,pmp=off", { { RISCV_PRIV, 0 } }, RISCV_SATP, 12, 10ull << 60 },
	{ "sv32", "qemu-system-riscv32", "rv32,pmp=off", { { RISCV_PRIV, 0 } }, RISCV_SATP, 12, 1ull << 31 },
	{ "hashed", "qemu-system-ppc", "750", .computer = "g3beige" },
	{ "arm64-4k", "qemu-system-aarch64", "max,has_el3=off", .arm_tcr = ARM_TCR_OF(0ull, 2ull) },
	{ "arm64-16k", "qemu-system-aarch64", "max,has_el3=off", .arm_tcr = ARM_TCR_OF(2ull, 1ull) },
	{ "arm64-64k", "qemu-system-aarch64", "max,has_el3=off", .arm_tcr = ARM_TCR_OF(1ull, 3ull) },
};

void emulator_give_up(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

static int byte_get(struct emulator *e)
{
	if (e->in_at == e->in_n) {
		ssize_t n = read(e->fd, e->in, sizeof e->in);
		if (n <= 0)
			emulator_give_up("%s does not answer", e->model->program);
		e->in_at = 0;
		e->in_n = (size_t)n;
	}
	return (unsigned char)e->in[e->in_at++];
}

/* Appends the next packet to the reply.  It is not acknowledged: the next command says as much, and while QEMU writes a long
 * answer it reads nothing, so that acknowledgements would fill the pipe and both would wait for ever. */
static void packet_get(struct emulator *e)
{
	while (byte_get(e) != '$')
		;
	for (int c; (c = byte_get(e)) != '#';) {
		if (e->reply_n + 1 == REPLY_MAX)
			emulator_give_up("%s: the answer is too long", e->model->program);
		e->reply[e->reply_n++] = (char)c;
	}
	e->reply[e->reply_n] = 0;
	byte_get(e);
	byte_get(e);
}

const char *emulator_ask(struct emulator *e, const char *text)
{
	unsigned sum = 0;
	for (const char *c = text; *c; c++)
		sum += (unsigned char)*c;
	if (dprintf(e->fd, "$%s#%02x", text, sum & 255) < 0)
		emulator_give_up("%s went away", e->model->program);
	e->reply_n = 0;
	packet_get(e);
	return e->reply;
}

void emulator_set(struct emulator *e, int number, uint64_t value)
{
	char text[64];
	int n = snprintf(text, sizeof text, "P%x=", (unsigned)number);
	for (int i = 0; i < 8; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, "%02x", (unsigned)(value >> 8 * i & 255));
	const char *answer = emulator_ask(e, text);
	if (strcmp(answer, "OK") != 0)
		emulator_give_up("%s refuses to set register %d: '%s'", e->model->program, number, answer);
}

static unsigned hex_digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
}

/* A monitor command: its text comes as packets "O" and hexadecimal digits, and "OK" at the end. */
static const char *monitor(struct emulator *e, const char *command)
{
	char text[200];
	int n = snprintf(text, sizeof text, "qRcmd,");
	for (const char *c = command; *c; c++)
		n += snprintf(text + n, sizeof text - (size_t)n, "%02x", (unsigned)*c);
	size_t done = 0, from = 0;
	emulator_ask(e, text);
	while (strcmp(e->reply + from, "OK") != 0) {
		if (e->reply[from] != 'O')
			emulator_give_up("%s refuses '%s': '%s'", e->model->program, command, e->reply + from);
		for (size_t i = from + 1; i + 1 < e->reply_n; i += 2)
			e->reply[done++] = (char)(hex_digit(e->reply[i]) << 4 | hex_digit(e->reply[i + 1]));
		from = e->reply_n = done;
		packet_get(e);
	}
	e->reply[done] = 0;
	return e->reply;
}

const struct model *emulator_model(const char *format)
{
	for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
		if (strcmp(models[i].format, format) == 0)
			return &models[i];
	}
	emulator_give_up("no emulator walks %s", format);
}

static bool installed(const char *program)
{
	const char *path = getenv("PATH");
	while (path && *path) {
		char file[4096];
		int n = (int)strcspn(path, ":");
		snprintf(file, sizeof file, "%.*s/%s", n, path, program);
		if (access(file, X_OK) == 0)
			return true;
		path += n + (path[n] == ':');
	}
	return false;
}

static pid_t launch(const struct model *m, const char *image, uint64_t bytes, int fd)
{
	char memory[5000], size[40], door[60], machine[80], firmware[5000] = "none";
	if (m->computer)
		snprintf(firmware, sizeof firmware, "%s.firmware", image);
	snprintf(machine, sizeof machine, "%s,memory-backend=ram", m->computer ? m->computer : "none");
	snprintf(memory, sizeof memory, "memory-backend-file,id=ram,size=%llu,mem-path=%s,share=off", (unsigned long long)bytes, image);
	snprintf(size, sizeof size, "%lluB", (unsigned long long)bytes);
	snprintf(door, sizeof door, "socket,id=door,fd=%d", fd);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that gives up leaves no emulator behind */
		execlp(m->program, m->program, "-nodefaults", "-no-user-config", "-display", "none", "-S", "-cpu", m->cpu, "-bios",
		       firmware, "-object", memory, "-machine", machine, "-m", size, "-chardev", door, "-gdb", "chardev:door",
		       (char *)NULL);
		_exit(127);
	}
	return pid;
}

/* One instruction, with a value in X0.  => X0 after it */
static uint64_t arm_step(struct emulator *e, uint32_t instruction, uint64_t x0)
{
	char text[80];
	snprintf(text, sizeof text, "M%llx,4:%08x", (unsigned long long)e->code, __builtin_bswap32(instruction));
	if (strcmp(emulator_ask(e, text), "OK") != 0)
		emulator_give_up("%s refuses memory at 0x%llx: '%s'", e->model->program, (unsigned long long)e->code, e->reply);
	emulator_set(e, 0, x0);
	emulator_set(e, ARM_PC, e->code);
	if (*emulator_ask(e, "s") != 'T')
		emulator_give_up("%s does not step: '%s'", e->model->program, e->reply);
	return __builtin_bswap64(strtoull(emulator_ask(e, "p0"), NULL, 16));
}

static void arm_start(struct emulator *e, uint64_t root, uint64_t upper, uint64_t bytes)
{
	e->code = bytes - 4;
	arm_step(e, ARM_HCR, 1ull << 31);
	arm_step(e, ARM_TTBR0, root);
	arm_step(e, ARM_TTBR1, upper == UINT64_MAX ? 0 : upper);
	arm_step(e, ARM_TCR, e->model->arm_tcr | (upper == UINT64_MAX ? 1 << 23 : 0));
	arm_step(e, ARM_SCTLR, 0x30d00801);
}

/* A register of PowerPC: four bytes, the first the highest. */
static void ppc_set(struct emulator *e, int number, uint32_t value)
{
	char text[40];
	snprintf(text, sizeof text, "P%x=%08x", (unsigned)number, value);
	if (strcmp(emulator_ask(e, text), "OK") != 0)
		emulator_give_up("%s refuses to set register %d: '%s'", e->model->program, number, e->reply);
}

static void ppc_step(struct emulator *e, uint32_t instruction, uint32_t r3)
{
	char text[80];
	snprintf(text, sizeof text, "M%llx,4:%08x", (unsigned long long)e->code, instruction);
	if (strcmp(emulator_ask(e, text), "OK") != 0)
		emulator_give_up("%s refuses memory at 0x%llx: '%s'", e->model->program, (unsigned long long)e->code, e->reply);
	ppc_set(e, PPC_R3, r3);
	ppc_set(e, PPC_NIP, (uint32_t)e->code);
	if (*emulator_ask(e, "s") != 'T')
		emulator_give_up("%s does not step: '%s'", e->model->program, e->reply);
}

/* What root says is in machine/hashed.h; its segments have keys Ks = 0, Kp = 1. */
static void ppc_start(struct emulator *e, uint64_t root, uint64_t bytes)
{
	e->code = bytes - 4;
	for (uint32_t n = 0; n < 16; n++)
		ppc_step(e, PPC_MTSR_R3 | n << 16, 0x20000000u | (uint32_t)(root >> 44) << 4 | n);
	ppc_step(e, PPC_MTSDR1_R3, (uint32_t)root | (root >> 32 & 0x1ff));
	ppc_set(e, PPC_MSR, PPC_TRANSLATED);
}

/* The firmware that never runs.  => made, or removed */
static void firmware_make(const char *image, bool make)
{
	char name[5000];
	snprintf(name, sizeof name, "%s.firmware", image);
	FILE *f = make ? fopen(name, "wb") : NULL;
	if (make && (!f || fwrite("none", 1, 4, f) != 4 || fclose(f) != 0))
		emulator_give_up("cannot write %s", name);
	if (!make)
		unlink(name);
}

bool emulator_access(struct emulator *e, uint64_t va, bool store, bool user, uint64_t *ret)
{
	arm_step(e, (user ? ARM_AT_EL0 : ARM_AT_EL1) | (store ? ARM_AT_STORE : 0), va);
	uint64_t par = arm_step(e, ARM_READ_PAR, 0);
	*ret = par & 1 ? par >> 1 & 63 : (par & ((1ull << 48) - 4096)) | (va & 4095);
	return !(par & 1);
}

struct emulator *emulator_started(const struct model *m, const char *image, uint64_t bytes)
{
	struct emulator *e = mem_zalloc(1, sizeof *e);
	struct timeval patience = { .tv_sec = 60 };
	int pair[2];
	if (!installed(m->program)) {
		mem_free(e);
		return NULL;
	}
	if (!e || !(e->reply = mem_alloc(REPLY_MAX)) || !(e->list = mem_zalloc(MAPPINGS_MAX, sizeof *e->list)) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		emulator_give_up("no memory or no sockets");
	e->model = m;
	e->fd = pair[0];
	setsockopt(e->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (m->computer)
		firmware_make(image, true);
	e->pid = launch(m, image, bytes, pair[1]);
	close(pair[1]);
	/* Registers beyond the basic ones can be reached once their description has been read. */
	emulator_ask(e, "qXfer:features:read:target.xml:0,ffb");
	return e;
}

struct emulator *emulator_start(const char *format, uint64_t root, uint64_t upper, const char *image, uint64_t bytes)
{
	const struct model *m = emulator_model(format);
	struct emulator *e = emulator_started(m, image, bytes);
	if (!e)
		return NULL;
	if (m->computer) {
		firmware_make(image, false);
		ppc_start(e, root, bytes);
		return e;
	}
	if (m->arm_tcr) {
		arm_start(e, root, upper, bytes);
		return e;
	}
	emulator_set(e, m->root_register, root >> m->root_shift | m->or_in);
	for (int i = 0; m->set[i].number; i++)
		emulator_set(e, m->set[i].number, m->set[i].value);
	return e;
}

void emulator_stop(struct emulator *e)
{
	if (!e)
		return;
	close(e->fd);
	kill(e->pid, SIGKILL);
	waitpid(e->pid, NULL, 0);
	mem_free(e->reply);
	mem_free(e->list);
	mem_free(e);
}

bool emulator_translate(struct emulator *e, uint64_t va, uint64_t *ret)
{
	char command[60];
	unsigned long long pa;
	if (e->model->arm_tcr) {
		if (emulator_access(e, va, false, true, ret))
			return true;
		*ret = 0;
		return false;
	}
	snprintf(command, sizeof command, "gva2gpa 0x%llx", (unsigned long long)va);
	const char *answer = monitor(e, command);
	if (sscanf(answer, "gpa: %llx", &pa) == 1) {
		*ret = pa;
		return true;
	}
	if (strncmp(answer, "Unmapped", 8) != 0)
		emulator_give_up("gva2gpa answers '%s'", answer);
	return false;
}

/* "VA: PA XGPDACTUW", a dash where a bit is clear; X means that execution is forbidden. */
static bool line_tlb(const char *line, bool wide, struct emulator_mapping *ret)
{
	unsigned long long va, pa;
	char bits[10];
	if (sscanf(line, "%llx: %llx %9s", &va, &pa, bits) != 3)
		return false;
	*ret = (struct emulator_mapping){ .va = va, .pa = pa, .read = true, .exec = bits[0] == '-', .global = bits[1] != '-',
		.huge = bits[2] != '-', .dirty = bits[3] != '-', .accessed = bits[4] != '-', .user = bits[7] != '-',
		.write = bits[8] != '-', .bytes = 4096 };
	ret->pa &= (1ull << 52) - 1; /* of PAE entries the list shows the no-execute bit as part of the address */
	if (!wide)
		ret->va &= UINT32_MAX;
	return true;
}

/* "VA PA SIZE rwxugad". */
static bool line_mem(const char *line, struct emulator_mapping *ret)
{
	unsigned long long va, pa, bytes;
	char bits[10];
	if (sscanf(line, "%llx %llx %llx %9s", &va, &pa, &bytes, bits) != 4)
		return false;
	*ret = (struct emulator_mapping){ .va = va, .pa = pa, .bytes = bytes, .read = bits[0] != '-', .write = bits[1] != '-',
		.exec = bits[2] != '-', .user = bits[3] != '-', .global = bits[4] != '-', .accessed = bits[5] != '-',
		.dirty = bits[6] != '-' };
	return true;
}

unsigned emulator_list(struct emulator *e, const struct emulator_mapping **ret)
{
	bool riscv = e->model->root_register == RISCV_SATP;
	unsigned n = 0;
	*ret = NULL;
	if (e->model->arm_tcr || e->model->computer)
		return 0;
	for (const char *line = monitor(e, riscv ? "info mem" : "info tlb"); line && *line && n < MAPPINGS_MAX;) {
		if (riscv ? line_mem(line, &e->list[n]) : line_tlb(line, strncmp(e->model->format, "x86-64", 6) == 0, &e->list[n]))
			n++;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	*ret = e->list;
	return n;
}
