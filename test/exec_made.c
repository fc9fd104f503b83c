/* exec_made.c - see exec_made.h. */
#include "exec_made.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct pw_computer *computer_of(const char *format, const char *frames)
{
	char word[40], more[40];
	snprintf(word, sizeof word, "format=%s", format);
	snprintf(more, sizeof more, "frames=%s", frames);
	const char *const options[] = { word, more, "cpu=textbook", NULL };
	struct pw_computer *c;
	char *why;
	if (pw_computer_create(options, NULL, &c, &why) != PW_SUCCESS)
		fail_msg("%s", why);
	return c;
}

void computer_end(struct pw_computer *c)
{
	const char *flaw = pw_computer_flaw(c);
	if (flaw)
		fail_msg("%s", flaw);
	pw_computer_destroy(c);
}

struct pw_process *process_in(struct pw_computer *c)
{
	struct pw_process *p;
	assert_int_equal(pw_process_create(c, "old", &p), PW_SUCCESS);
	return p;
}

/* ---- what is mapped ---- */

static void mapping_take(void *ctx, const struct pw_mapping_info *m)
{
	struct mappings *all = ctx;
	assert_true(all->n < MAPPINGS);
	struct mapping *to = &all->at[all->n++];
	*to = (struct mapping){ .start = m->start, .bytes = m->bytes, .rights = m->rights };
	snprintf(to->name, sizeof to->name, "%s", m->name);
}

struct mappings mappings_of(struct pw_process *p)
{
	struct mappings all = { .n = 0 };
	pw_mappings(p, mapping_take, &all);
	return all;
}

const struct mapping *mapping_at(const struct mappings *all, uint64_t address)
{
	for (unsigned i = 0; i < all->n; i++)
		if (address - all->at[i].start < all->at[i].bytes)
			return &all->at[i];
	return NULL;
}

const struct mapping *mapping_named(const struct mappings *all, const char *name)
{
	for (unsigned i = 0; i < all->n; i++)
		if (strcmp(all->at[i].name, name) == 0)
			return &all->at[i];
	return NULL;
}

int scratch_make(char path[PATH_MAX])
{
	const char *folder = getenv("TMPDIR");
	snprintf(path, PATH_MAX, "%s/pageworks-exec.XXXXXX", folder && *folder ? folder : "/tmp");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	return fd;
}

void segment_same(struct pw_process *p, const uint8_t *file, uint64_t base, const Elf64_Phdr *s)
{
	uint8_t page[PAGE];
	for (uint64_t at = 0; at < s->p_memsz;) {
		uint64_t part = PAGE - ((s->p_vaddr + at) & (PAGE - 1));
		part = part < s->p_memsz - at ? part : s->p_memsz - at;
		assert_int_equal(pw_read(p, base + s->p_vaddr + at, page, part), PW_SUCCESS);
		for (uint64_t i = 0; i < part; i++)
			assert_int_equal(page[i], at + i < s->p_filesz ? file[s->p_offset + at + i] : 0);
		at += part;
	}
}

/* ---- programs made here ---- */

static const struct made_segment plain[SEGMENTS] = {
	{ PT_LOAD, PF_R | PF_X, 0, 0x400000, 0x1800, 0x1800, PAGE },
	{ PT_LOAD, PF_R | PF_W, 0x2010, 0x402010, 0x1000, 0x4800, PAGE },
	{ PT_LOAD, PF_R, 0x4000, 0x500000, 0x900, 0x3000, PAGE },
	{ PT_GNU_STACK, PF_R | PF_W },
};

void segment_put(struct made *m, unsigned i, const struct made_segment *s)
{
	Elf64_Phdr wide = { .p_type = s->type, .p_flags = s->flags, .p_offset = s->offset, .p_vaddr = s->vaddr, .p_filesz = s->file,
		            .p_memsz = s->memory, .p_align = s->align };
	Elf32_Phdr narrow = { .p_type = s->type, .p_flags = s->flags, .p_offset = (uint32_t)s->offset, .p_vaddr = (uint32_t)s->vaddr,
		              .p_filesz = (uint32_t)s->file, .p_memsz = (uint32_t)s->memory, .p_align = (uint32_t)s->align };
	if (m->width == 8)
		memcpy(m->bytes + sizeof(Elf64_Ehdr) + i * sizeof wide, &wide, sizeof wide);
	else
		memcpy(m->bytes + sizeof(Elf32_Ehdr) + i * sizeof narrow, &narrow, sizeof narrow);
}

void made_init(struct made *m, unsigned width)
{
	Elf64_Ehdr wide = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_EXEC,
		            .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_entry = 0x400800, .e_phoff = sizeof wide,
		            .e_ehsize = sizeof wide,
		            .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = SEGMENTS };
	Elf32_Ehdr narrow = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_EXEC,
		              .e_machine = EM_386, .e_version = EV_CURRENT, .e_entry = 0x400800, .e_phoff = sizeof narrow,
		              .e_ehsize = sizeof narrow,
		              .e_phentsize = sizeof(Elf32_Phdr), .e_phnum = SEGMENTS };
	*m = (struct made){ .width = width };
	for (size_t i = 0; i < sizeof m->bytes; i++)
		m->bytes[i] = (uint8_t)(i * 7 + i / 251 + 1);
	memcpy(m->bytes, width == 8 ? (void *)&wide : (void *)&narrow, width == 8 ? sizeof wide : sizeof narrow);
	for (unsigned i = 0; i < SEGMENTS; i++)
		segment_put(m, i, &plain[i]);
}

void made_write(struct made *m, size_t n)
{
	int fd = scratch_make(m->path);
	assert_int_equal(write(fd, m->bytes, n), (ssize_t)n);
	close(fd);
}

enum pw_status made_exec(struct pw_process *p, struct made *m, size_t n, struct pw_program *at, char **why)
{
	made_write(m, n);
	enum pw_status status = pw_process_exec(p, m->path, NULL, NULL, at, why);
	unlink(m->path);
	return status;
}

void made_same(struct pw_process *p, const struct made *m)
{
	for (unsigned i = 0; i < SEGMENTS; i++) {
		const struct made_segment *s = &plain[i];
		const Elf64_Phdr wide = { .p_offset = s->offset, .p_vaddr = s->vaddr, .p_filesz = s->file, .p_memsz = s->memory };
		if (s->type == PT_LOAD)
			segment_same(p, m->bytes, 0, &wide);
	}
}
