/* image.c - fuzz target: memory images, and listing whatever tables they seem to hold. */
#include "../../src/machine/image.h"
#include "driver/fuzz.h"
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Noise; an ELF core of one segment; a LiME file of one range. */
size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	enum { MEMORY = 8192, START = 256 };
	if (i > 2 || max < START + MEMORY)
		return 0;
	memset(bytes, 0, START + MEMORY);
	uint64_t entry = 0x1067;
	memcpy(bytes + START, &entry, sizeof entry);
	entry = 0x67;
	memcpy(bytes + START + 4096 + 8, &entry, sizeof entry);
	if (i == 1) {
		Elf64_Ehdr h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 }, .e_type = ET_CORE, .e_phoff = sizeof h,
			         .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1 };
		Elf64_Phdr p = { .p_type = PT_LOAD, .p_offset = START, .p_filesz = MEMORY, .p_memsz = MEMORY };
		memcpy(bytes, &h, sizeof h);
		memcpy(bytes + sizeof h, &p, sizeof p);
	} else if (i == 2) {
		const uint32_t magic[2] = { 0x4c694d45u, 1 };
		const uint64_t range[3] = { 0, START + MEMORY - 33, 0 };
		memcpy(bytes, magic, sizeof magic);
		memcpy(bytes + 8, range, sizeof range);
	}
	return START + MEMORY;
}

struct count {
	unsigned n;
};

static bool leaf(void *ctx, const struct explain_leaf *l)
{
	struct count *c = ctx;
	(void)l;
	return ++c->n < 5000;
}

static bool trouble(void *ctx, enum explain_trouble t, vaddr_t va, unsigned level, paddr_t at, pte_t e)
{
	struct count *c = ctx;
	(void)va, (void)level, (void)at, (void)e;
	if (!explain_trouble_text(t))
		abort();
	return ++c->n < 5000;
}

static void image_try(const struct image *i)
{
	struct memory_view view = image_view(i);
	FILE *null = fopen("/dev/null", "w");
	for (unsigned f = 0; null && ptfmt_at(f); f++) {
		struct count c = { 0 };
		const struct explain_visitor v = { leaf, trouble, &c };
		struct explain_want want = { vaddr(0x1234), ACCESS_LOAD, true };
		struct explain e;
		explain_walk(ptfmt_at(f), &view, paddr(0), &want, &e);
		explain_print(&e, null);
		if (ptfmt_at(f)->levels > 1)
			explain_space(ptfmt_at(f), &view, paddr(0), &v);
	}
	if (null)
		fclose(null);
	for (unsigned n = 0; n < image_n_cpus(i); n++)
		image_cpu_at(i, n);
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	char path[64];
	struct image *i;
	struct pw_why why = { "" };
	int fd = memfd_create("image", MFD_CLOEXEC);
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) {
		if (fd >= 0)
			close(fd);
		return;
	}
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (image_open(path, &i, &why) != PW_OK) {
		if (!*why.text || strchr(why.text, '\n'))
			abort();
	} else {
		image_try(i);
		image_close(i);
	}
	close(fd);
}
