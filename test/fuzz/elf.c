/* elf.c - fuzz target: programs.  A file is loaded or refused in one line; a refused one leaves the old program, and the kernel keeps its
 * invariants. */
#include "../../src/kernel/exec.h"
#include "driver/fuzz.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 64, PAGE_SHIFT = 12, OLD = 0x10000 };

struct image {
	Elf64_Ehdr head;
	Elf64_Phdr segment[4];
	char interpreter[16];
};

/* A program, one with an interpreter, one that can be moved; and one of 32 bits, which is refused. */
size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	struct image m = {
		.head = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, .e_type = i == 2 ? ET_DYN : ET_EXEC,
		          .e_entry = 0x400100, .e_phoff = offsetof(struct image, segment), .e_phentsize = sizeof(Elf64_Phdr),
		          .e_phnum = 4 },
		.segment = { { .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000, .p_filesz = sizeof m, .p_memsz = 0x1800 },
		             { .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = 0x403010, .p_offset = 16, .p_filesz = 64,
		               .p_memsz = 0x3000 },
		             { .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W | PF_X },
		             { .p_type = i == 1 ? PT_INTERP : PT_NULL, .p_offset = offsetof(struct image, interpreter), .p_filesz = 6 } },
		.interpreter = "/self",
	};
	if (i > 3 || max < sizeof m)
		return 0;
	if (i == 3)
		m.head.e_ident[EI_CLASS] = ELFCLASS32;
	memcpy(bytes, &m, sizeof m);
	return sizeof m;
}

struct file {
	const uint8_t *bytes;
	size_t n;
};

static enum pw_err file_read(void *ctx, uint64_t id, uint64_t offset, void *bytes, uint64_t n)
{
	const struct file *f = ctx;
	uint64_t have = offset < f->n ? f->n - offset : 0;
	(void)id;
	memset(bytes, 0, n);
	memcpy(bytes, f->bytes + (have ? offset : 0), have < n ? have : n);
	return PW_OK;
}

static enum pw_err file_write(void *ctx, uint64_t id, uint64_t offset, const void *bytes, uint64_t n)
{
	(void)ctx, (void)id, (void)offset, (void)bytes, (void)n;
	abort(); /* nobody writes to a program's file */
}

static enum pw_err find(void *ctx, const char *path, struct exec_file *ret, struct pw_why *why)
{
	const struct file *f = ctx;
	*ret = (struct exec_file){ 2, f->n, path };
	return *path == '/' ? PW_OK : pw_fail(why, PW_NOTFOUND, "there is no such file");
}

static void load(struct kernel *k, struct process *p, struct file *f)
{
	static const char *const argv[] = { "fuzz", "x", NULL };
	struct process_program program = { .file = { 1, f->n, "fuzz" }, .argv = argv, .envp = argv + 2, .find = find, .ctx = f };
	const struct process_mapping old = { .start = vaddr(OLD), .bytes = 4096, .prot = PMAP_READ, .fixed = true, .anonymous = true };
	struct process_begin begin;
	struct mapping_info ignored;
	struct pw_why why = { "" };
	vaddr_t at;
	if (process_map(p, &old, &at) != PW_OK)
		abort();
	enum pw_err err = process_exec_file(p, &program, &begin, &why);
	if (err && (!*why.text || strchr(why.text, '\n')))
		abort();
	if (err && err != PW_NOFRAMES && err != PW_IO && !process_mapping_at(p, vaddr(OLD), &ignored))
		abort();
	if (!err && (process_fault(p, 0, begin.entry, ACCESS_FETCH).outcome == FAULT_OUTCOME_REFUSED || begin.stack.v % 16))
		abort();
	if (kernel_flaw(k))
		abort();
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	struct file f = { bytes, size };
	struct kernel_files files = { .read = file_read, .write = file_write, .ctx = &f };
	struct physmem memory;
	struct pmap_sys *pmap;
	struct kernel *k;
	struct process *p;
	if (!size || physmem_init(&memory, FRAMES, PAGE_SHIFT) != PW_OK || pmap_model_create(FRAMES, PAGE_SHIFT, &pmap) != PW_OK)
		return;
	struct kernel_config c = {
		.pmap = pmap, .memory = &memory, .carries_data = true, .n_frames = FRAMES, .page_shift = PAGE_SHIFT,
		.policy = policy_find("fifo"), .files = &files, .cost = &cost_default,
	};
	if (kernel_create(&c, &k, NULL) != PW_OK)
		abort();
	if (process_create(k, 1, "old", &p) == PW_OK)
		load(k, p, &f);
	kernel_destroy(k);
	pmap_sys_destroy(pmap);
	physmem_fini(&memory);
}
