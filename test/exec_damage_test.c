/* exec_damage_test.c - programs that cannot be loaded: damaged files, files that are none, no memory, no disk.
 *
 * Whatever is wrong, it is said in one line that names the file, and the old program goes on with every byte it had. */
#include "exec_made.h"
#include "../src/base/inject.h"
#include "../src/base/mem.h"
#include "../src/base/rng.h"
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define SEED 20261121u

/* A process that remembers something, to be asked after a failure. */
static struct pw_process *process_remembering(struct pw_computer *c)
{
	struct pw_process *p = process_in(c);
	assert_int_equal(pw_map(p, 0x10000, PAGE, PW_READ | PW_WRITE, NULL, NULL), PW_SUCCESS);
	assert_int_equal(pw_write(p, 0x10008, "remembered", 10), PW_SUCCESS);
	return p;
}

static void still_remembers(struct pw_process *p)
{
	const struct mappings all = mappings_of(p);
	char bytes[10];
	assert_int_equal(all.n, 1);
	assert_int_equal(pw_read(p, 0x10008, bytes, 10), PW_SUCCESS);
	assert_memory_equal(bytes, "remembered", 10);
}

static void refused(struct pw_process *p, struct made *m, size_t n, const char *word)
{
	char *why;
	enum pw_status status = made_exec(p, m, n, NULL, &why);
	if (status == PW_SUCCESS || !why || !strstr(why, word) || strchr(why, '\n'))
		fail_msg("status %d, '%s' was to be one line with '%s'", (int)status, why ? why : "", word);
	if (strncmp(why, m->path, strlen(m->path)) != 0)
		fail_msg("'%s' does not name the file", why);
	pw_free(why);
	still_remembers(p);
}

static void header_damaged(struct pw_process *p, size_t at, const void *value, size_t n, const char *word)
{
	struct made m;
	made_init(&m, 8);
	memcpy(m.bytes + at, value, n);
	refused(p, &m, sizeof m.bytes, word);
}

static void segment_damaged(struct pw_process *p, unsigned i, const struct made_segment *s, const char *word)
{
	struct made m;
	made_init(&m, 8);
	segment_put(&m, i, s);
	refused(p, &m, sizeof m.bytes, word);
}

static void damaged_files_are_refused(void **state)
{
	(void)state;
	struct pw_computer *c = computer_of("x86-64", "40");
	struct pw_process *p = process_remembering(c);
	struct made m;
	header_damaged(p, 0, "MZ", 2, "no ELF file");
	header_damaged(p, 0, "#!/bin/sh\n", 10, "script");
	header_damaged(p, EI_CLASS, "\3", 1, "32 nor 64");
	header_damaged(p, EI_DATA, "\2", 1, "big-endian");
	header_damaged(p, offsetof(Elf64_Ehdr, e_type), "\1", 1, "object file");
	header_damaged(p, offsetof(Elf64_Ehdr, e_type), "\4", 1, "core");
	header_damaged(p, offsetof(Elf64_Ehdr, e_phentsize), "\10", 1, "program headers");
	header_damaged(p, offsetof(Elf64_Ehdr, e_phnum), "\0", 1, "nothing to load");
	header_damaged(p, offsetof(Elf64_Ehdr, e_phoff), "\377\377\377\377\377\377\377\377", 8, "program headers");
	header_damaged(p, offsetof(Elf64_Ehdr, e_entry), "\0\0\0\0", 4, "nothing of it may be executed");
	segment_damaged(p, DATA, &(struct made_segment){ PT_LOAD, PF_R, 0x2010, 0x402010, 0x5000, 0x5000, PAGE }, "cut off");
	segment_damaged(p, DATA, &(struct made_segment){ PT_LOAD, PF_R, 0x2010, 0x402010, 0x1000, 0xfff, PAGE }, "more bytes in the file");
	segment_damaged(p, DATA, &(struct made_segment){ PT_LOAD, PF_R, 0x2010, 0x402020, 0x1000, 0x1000, PAGE }, "cannot show there");
	segment_damaged(p, DATA, &(struct made_segment){ PT_LOAD, PF_R, 0x2010, 0x401010, 0x1000, 0x1000, PAGE }, "in front of it");
	segment_damaged(p, DATA, &(struct made_segment){ PT_LOAD, PF_R, 0x2010, 0x402010, 0x1000, 1ull << 47, PAGE },
	                "outside the addresses");
	segment_damaged(p, DATA, &(struct made_segment){ PT_LOAD, PF_R, 0x2010, UINT64_MAX - 0xfef, 0, 0x2000, PAGE },
	                "outside the addresses");
	segment_damaged(p, DATA, &(struct made_segment){ PT_LOAD, PF_R, 0x2010, 0x402010, 0x1000, 0x1000, 3 * PAGE }, "power of two");
	segment_damaged(p, DATA, &(struct made_segment){ PT_LOAD, PF_R, 0x2010, 0x402010, 0x1000, (1ull << 47) - 0x500000, PAGE },
	                "out of order");
	segment_damaged(p, 2, &(struct made_segment){ PT_LOAD, PF_R, 0x4000, (1ull << 47) - 0x10000, 0x900, 0x900, PAGE }, "stack");
	segment_damaged(p, TEXT, &(struct made_segment){ PT_LOAD, PF_R | PF_X, 0, 0, 0x1800, 0x1800, PAGE }, "may be executed");
	segment_damaged(p, 3, &(struct made_segment){ PT_INTERP, PF_R, 0x5000, 0, 40, 40, 1 }, "interpreter");
	segment_damaged(p, 3, &(struct made_segment){ PT_INTERP, PF_R, 0x7fff, 0, 40, 40, 1 }, "interpreter");
	for (size_t n = 1; n < sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr); n += 13) {
		made_init(&m, 8);
		refused(p, &m, n, "");
	}
	computer_end(c);
}

static void an_interpreter_must_be_there(void **state)
{
	(void)state;
	static const char missing[] = "/nonexistent/ld.so", broken[] = "/etc/passwd";
	struct pw_computer *c = computer_of("x86-64", "40");
	struct pw_process *p = process_remembering(c);
	const char *const names[] = { missing, broken };
	for (unsigned i = 0; i < 2; i++) {
		struct made m;
		char *why;
		made_init(&m, 8);
		memcpy(m.bytes + 0x5000, names[i], strlen(names[i]) + 1);
		segment_put(&m, 3, &(struct made_segment){ PT_INTERP, PF_R, 0x5000, 0, strlen(names[i]) + 1, strlen(names[i]) + 1, 1 });
		assert_int_equal(made_exec(p, &m, sizeof m.bytes, NULL, &why), PW_E_INPUT);
		assert_non_null(strstr(why, names[i]));
		pw_free(why);
		still_remembers(p);
	}
	computer_end(c);
}

static void what_is_no_program_file(void **state)
{
	(void)state;
	static const char *const paths[] = { "/dev/zero", "/", "/nonexistent", "no-such-program-anywhere", "/proc/self/maps" };
	struct pw_computer *c = computer_of("x86-64", "40");
	struct pw_process *p = process_remembering(c);
	for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
		char *why;
		assert_int_not_equal(pw_process_exec(p, paths[i], NULL, NULL, NULL, &why), PW_SUCCESS);
		assert_non_null(strstr(why, paths[i]));
		pw_free(why);
		still_remembers(p);
	}
	char *huge = mem_alloc(3 << 20);
	memset(huge, 'x', 3 << 20);
	huge[(3 << 20) - 1] = '\0';
	const char *const argv[] = { huge, NULL };
	struct made m;
	char *why;
	made_init(&m, 8);
	made_write(&m, sizeof m.bytes);
	assert_int_equal(pw_process_exec(p, m.path, argv, NULL, NULL, &why), PW_E_FULL);
	assert_non_null(strstr(why, "arguments"));
	pw_free(why);
	unlink(m.path);
	still_remembers(p);
	mem_free(huge);
	computer_end(c);
}

/* Random bytes of the headers changed: refused or loaded, and never more than the space is wrong. */
static void random_damage(void **state)
{
	(void)state;
	struct rng r;
	struct pw_computer *c = computer_of("x86-64", "40");
	struct pw_process *p = process_in(c);
	unsigned loaded = 0, refusals = 0;
	rng_init(&r, SEED);
	for (unsigned i = 0; i < 400; i++) {
		struct made m;
		char *why;
		made_init(&m, 8);
		for (unsigned n = 1 + (unsigned)rng_below(&r, 4); n > 0; n--)
			m.bytes[rng_below(&r, sizeof(Elf64_Ehdr) + SEGMENTS * sizeof(Elf64_Phdr))] ^= (uint8_t)(1u << rng_below(&r, 8));
		enum pw_status status = made_exec(p, &m, sizeof m.bytes, NULL, &why);
		loaded += status == PW_SUCCESS;
		refusals += status != PW_SUCCESS;
		if (status != PW_SUCCESS && (!why || strchr(why, '\n')))
			fail_msg("seed %u: refused without one line", SEED);
		pw_free(why);
		const char *flaw = pw_computer_flaw(c);
		if (flaw)
			fail_msg("seed %u, file %u: %s", SEED, i, flaw);
	}
	assert_true(loaded > 20 && refusals > 20);
	computer_end(c);
}

/* The k-th allocation fails, for every k: the old program is there, or the new one. */
static void without_memory(void **state)
{
	(void)state;
	for (uint64_t k = 1;; k++) {
		struct pw_computer *c = computer_of("x86-64", "40");
		struct pw_process *p = process_remembering(c);
		struct pw_program at;
		struct made m;
		char *why;
		made_init(&m, 8);
		made_write(&m, sizeof m.bytes);
		inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
		enum pw_status status = pw_process_exec(p, m.path, NULL, NULL, &at, &why);
		bool reached = inject_count(INJECT_ALLOC) >= k;
		inject_disarm();
		unlink(m.path);
		pw_free(why);
		const struct mappings all = mappings_of(p);
		if (status == PW_SUCCESS)
			made_same(p, &m);
		else if (all.n > 0)
			still_remembers(p);
		computer_end(c);
		if (!reached)
			break;
		assert_true(k < 400);
	}
}

/* With fewer frames than the first pages need, the process is ended, and says why. */
static void without_frames(void **state)
{
	(void)state;
	const char *const options[] = { "frames=1", "cpu=textbook", "swap=none", NULL };
	struct pw_computer *c;
	struct pw_step step;
	struct made m;
	char *why;
	assert_int_equal(pw_computer_create(options, NULL, &c, &why), PW_SUCCESS);
	struct pw_process *p = process_in(c);
	made_init(&m, 8);
	assert_int_equal(made_exec(p, &m, sizeof m.bytes, NULL, &why), PW_E_FULL);
	assert_non_null(why);
	pw_free(why);
	assert_int_equal(mappings_of(p).n, 0);
	assert_int_not_equal(pw_step(p, 0x400800, PW_FETCH, &step), PW_SUCCESS);
	computer_end(c);
}

static void without_disk(void **state)
{
	(void)state;
	struct pw_computer *c = computer_of("x86-64", "40");
	struct pw_process *p = process_remembering(c);
	struct made m;
	char *why;
	made_init(&m, 8);
	inject_arm(INJECT_FILE_READ, 1, INJECT_ONCE);
	assert_int_equal(made_exec(p, &m, sizeof m.bytes, NULL, &why), PW_E_INPUT);
	inject_disarm();
	pw_free(why);
	still_remembers(p);
	computer_end(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_files_are_refused),
		cmocka_unit_test(an_interpreter_must_be_there),
		cmocka_unit_test(what_is_no_program_file),
		cmocka_unit_test(random_damage),
		cmocka_unit_test(without_memory),
		cmocka_unit_test(without_frames),
		cmocka_unit_test(without_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
