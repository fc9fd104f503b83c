/* exec_test.c - programs loaded from their files, against the files themselves, against readelf, and against what Linux makes of them.
 *
 * Programs with odd segments are made here, 32 and 64 bits wide, so that each rule is met: zeros behind data, rights, guards, a heap, a
 * stack that grows. */
#include "exec_made.h"
#include "../src/base/mem.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { WORDS = 400 };

/* ---- real programs ---- */

static uint8_t *file_bytes(const char *path, size_t *ret)
{
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	*ret = (size_t)ftell(f);
	rewind(f);
	uint8_t *bytes = mem_alloc(*ret);
	assert_int_equal(fread(bytes, 1, *ret, f), *ret);
	fclose(f);
	return bytes;
}

static void rights_same(const struct mappings *all, uint64_t base, const Elf64_Phdr *s)
{
	unsigned rights = (s->p_flags & PF_R ? PW_READ : 0) | (s->p_flags & PF_W ? PW_WRITE : 0) | (s->p_flags & PF_X ? PW_EXEC : 0);
	for (uint64_t at = 0; at < s->p_memsz; at += PAGE) {
		const struct mapping *m = mapping_at(all, base + s->p_vaddr + at);
		assert_non_null(m);
		assert_int_equal(m->rights, rights);
	}
}

/* => how many segments there were */
static unsigned image_same(struct pw_process *p, const char *path, uint64_t base)
{
	size_t n;
	uint8_t *file = file_bytes(path, &n);
	const struct mappings all = mappings_of(p);
	Elf64_Ehdr h;
	unsigned loads = 0;
	memcpy(&h, file, sizeof h);
	for (unsigned i = 0; i < h.e_phnum; i++) {
		Elf64_Phdr s;
		memcpy(&s, file + h.e_phoff + i * sizeof s, sizeof s);
		if (s.p_type != PT_LOAD)
			continue;
		segment_same(p, file, base, &s);
		rights_same(&all, base, &s);
		loads++;
	}
	mem_free(file);
	return loads;
}

static const char *const programs[] = { "/bin/true", "/usr/bin/sort", "/usr/bin/python3" };

static bool program_there(const char *path)
{
	unsigned char ident[EI_NIDENT] = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool there = fd >= 0 && read(fd, ident, sizeof ident) == sizeof ident;
	if (fd >= 0)
		close(fd);
	return there && memcmp(ident, ELFMAG, SELFMAG) == 0 && ident[EI_CLASS] == ELFCLASS64 && ident[EI_DATA] == ELFDATA2LSB;
}

/* The interpreter of a real program, out of its file.  => "": it has none */
static void interpreter_of(const char *path, char ret[PATH_MAX])
{
	size_t n;
	uint8_t *file = file_bytes(path, &n);
	Elf64_Ehdr h;
	*ret = '\0';
	memcpy(&h, file, sizeof h);
	for (unsigned i = 0; i < h.e_phnum; i++) {
		Elf64_Phdr s;
		memcpy(&s, file + h.e_phoff + i * sizeof s, sizeof s);
		if (s.p_type == PT_INTERP)
			snprintf(ret, PATH_MAX, "%s", (const char *)file + s.p_offset);
	}
	mem_free(file);
}

static void real_programs_are_their_files(void **state)
{
	(void)state;
	unsigned seen = 0;
	for (unsigned i = 0; i < sizeof programs / sizeof *programs; i++) {
		struct pw_program at;
		char *why, interpreter[PATH_MAX];
		if (!program_there(programs[i]))
			continue;
		struct pw_computer *c = computer_of("x86-64", "300");
		struct pw_process *p = process_in(c);
		if (pw_process_exec(p, programs[i], NULL, NULL, &at, &why) != PW_SUCCESS)
			fail_msg("%s", why);
		assert_null(why);
		assert_true(image_same(p, programs[i], at.program_base) > 1);
		interpreter_of(programs[i], interpreter);
		assert_int_equal(*interpreter != '\0', at.interpreter_base != 0);
		if (*interpreter)
			assert_true(image_same(p, interpreter, at.interpreter_base) > 1);
		struct pw_step step;
		assert_int_equal(pw_step(p, at.entry, PW_FETCH, &step), PW_SUCCESS);
		computer_end(c);
		seen++;
	}
	if (!seen)
		skip();
}

/* readelf, asked through its lines: LOAD offset address physical filesize memsize flags. */
static void readelf_says_the_same(void **state)
{
	(void)state;
	char line[300], path[PATH_MAX];
	struct pw_program at;
	char *why;
	unsigned loads = 0;
	int fd = scratch_make(path);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(fd, 1);
		execlp("readelf", "readelf", "-lW", "/bin/true", (char *)NULL);
		_exit(127);
	}
	int status;
	waitpid(pid, &status, 0);
	FILE *f = fdopen(fd, "r");
	unlink(path);
	if (status != 0 || !program_there("/bin/true")) {
		fclose(f);
		print_message("# readelf is not installed\n");
		skip();
	}
	rewind(f);
	struct pw_computer *c = computer_of("x86-64", "300");
	struct pw_process *p = process_in(c);
	assert_int_equal(pw_process_exec(p, "/bin/true", NULL, NULL, &at, &why), PW_SUCCESS);
	const struct mappings all = mappings_of(p);
	while (fgets(line, sizeof line, f)) {
		unsigned long long offset, va, pa, file, memory;
		char flags[4] = "";
		if (sscanf(line, " LOAD %llx %llx %llx %llx %llx %3c", &offset, &va, &pa, &file, &memory, flags) != 6)
			continue;
		const struct mapping *m = mapping_at(&all, at.program_base + va);
		assert_non_null(m);
		assert_int_equal(m->start, (at.program_base + va) & ~(PAGE - 1ull));
		assert_int_equal(!!(m->rights & PW_READ), flags[0] == 'R');
		assert_int_equal(!!(m->rights & PW_WRITE), flags[1] == 'W');
		assert_int_equal(!!(m->rights & PW_EXEC), flags[2] == 'E');
		assert_non_null(mapping_at(&all, at.program_base + va + memory - 1));
		loads++;
	}
	assert_true(loads > 1);
	fclose(f);
	computer_end(c);
}

/* ---- Linux beside us ---- */

/* A program stopped at its first instruction.  => 0: nobody may do that here */
static pid_t program_stopped(const char *path, char *const argv[], char *const envp[])
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(126);
		execve(path, argv, envp);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		return pid;
	return 0;
}

static void program_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static unsigned rights_read(const char *word)
{
	return (word[0] == 'r' ? PW_READ : 0) | (word[1] == 'w' ? PW_WRITE : 0) | (word[2] == 'x' ? PW_EXEC : 0);
}

/* What Linux maps of files. */
static struct mappings linux_mappings(pid_t pid)
{
	struct mappings all = { .n = 0 };
	char name[60], line[4500];
	snprintf(name, sizeof name, "/proc/%d/maps", (int)pid);
	FILE *f = fopen(name, "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		unsigned long long start, end, offset;
		char rights[8], path[PATH_MAX];
		if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %4095s", &start, &end, rights, &offset, path) != 5 || *path != '/')
			continue;
		struct mapping *m = &all.at[all.n++];
		*m = (struct mapping){ .start = start, .bytes = end - start, .rights = rights_read(rights), .offset = offset };
		snprintf(m->name, sizeof m->name, "%.79s", strrchr(path, '/') + 1);
		assert_true(all.n < MAPPINGS);
	}
	fclose(f);
	return all;
}

/* The auxiliary vector, by key.  => UINT64_MAX: not there */
static uint64_t pair_find(const uint64_t *word, uint64_t key)
{
	for (; word[0] != AT_NULL; word += 2)
		if (word[0] == key)
			return word[1];
	return UINT64_MAX;
}

static void linux_pairs(pid_t pid, uint64_t word[WORDS])
{
	char name[60];
	snprintf(name, sizeof name, "/proc/%d/auxv", (int)pid);
	FILE *f = fopen(name, "rb");
	assert_non_null(f);
	size_t n = fread(word, sizeof *word, WORDS - 2, f);
	fclose(f);
	word[n & ~1ull] = AT_NULL;
}

/* Ours of files, in order, are Linux's: as long, with the same rights, as far apart within each file. */
static void maps_same(const struct mappings *ours, const struct mappings *theirs)
{
	unsigned n = 0;
	uint64_t file_ours = 0, file_theirs = 0;
	for (unsigned i = 0; i < ours->n; i++) {
		const struct mapping *o = &ours->at[i];
		const char *colon = strrchr(o->name, ':');
		if (!colon || strcmp(colon, ":bss") == 0)
			continue;
		assert_true(n < theirs->n);
		const struct mapping *t = &theirs->at[n];
		if (n == 0 || strcmp(t->name, theirs->at[n - 1].name) != 0) {
			file_ours = o->start;
			file_theirs = t->start;
		}
		assert_int_equal(o->bytes, t->bytes);
		assert_int_equal(o->rights, t->rights);
		assert_int_equal(o->start - file_ours, t->start - file_theirs);
		n++;
	}
	assert_int_equal(n, theirs->n);
}

static void linux_maps_the_same(void **state)
{
	(void)state;
	static char *argv[] = { "true", "one", "two words", NULL }, *envp[] = { "A=1", "PATH=/bin", NULL };
	uint64_t theirs[WORDS];
	struct pw_program at;
	char *why, real[PATH_MAX];
	pid_t pid = program_there("/bin/true") && realpath("/bin/true", real) ? program_stopped(real, argv, envp) : 0;
	if (!pid) {
		print_message("# no program can be stopped at its beginning here\n");
		skip();
	}
	const struct mappings of_linux = linux_mappings(pid);
	linux_pairs(pid, theirs);
	program_end(pid);
	struct pw_computer *c = computer_of("x86-64", "300");
	struct pw_process *p = process_in(c);
	assert_int_equal(pw_process_exec(p, real, (const char *const *)argv, (const char *const *)envp, &at, &why), PW_SUCCESS);
	const struct mappings ours = mappings_of(p);
	maps_same(&ours, &of_linux);
	static const uint64_t keys[] = { AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_CLKTCK, AT_FLAGS, AT_SECURE };
	uint64_t word[WORDS], at_word = at.stack + 8 + 4 * 8 + 3 * 8;
	assert_int_equal(pw_read(p, at_word, word, 18 * 16), PW_SUCCESS);
	for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++)
		assert_int_equal(pair_find(word, keys[i]), pair_find(theirs, keys[i]));
	assert_int_equal(pair_find(word, AT_ENTRY) - pair_find(word, AT_PHDR), pair_find(theirs, AT_ENTRY) - pair_find(theirs, AT_PHDR));
	assert_int_equal(pair_find(word, AT_ENTRY), at.program_entry);
	assert_int_equal(pair_find(word, AT_BASE), at.interpreter_base);
	computer_end(c);
}

/* ---- the stack ---- */

static void string_is(struct pw_process *p, uint64_t address, const char *text)
{
	char bytes[PATH_MAX];
	size_t n = strlen(text) + 1;
	assert_true(n <= sizeof bytes);
	assert_int_equal(pw_read(p, address, bytes, n), PW_SUCCESS);
	assert_memory_equal(bytes, text, n);
}

static uint64_t word_at(struct pw_process *p, uint64_t address, unsigned bytes)
{
	uint64_t word = 0;
	assert_int_equal(pw_read(p, address, &word, bytes), PW_SUCCESS);
	return word;
}

/* argc, argv, envp and the pairs as the ABI has them, and nothing beyond the top. */
static void stack_is(struct pw_process *p, const struct pw_program *at, const char *file, const char *const *argv,
                     const char *const *envp, unsigned width)
{
	uint64_t sp = at->stack, n = 0, pair[WORDS];
	assert_int_equal(sp % 16, 0);
	for (; argv[n]; n++)
		string_is(p, word_at(p, sp + (n + 1) * width, width), argv[n]);
	assert_int_equal(word_at(p, sp, width), n);
	assert_int_equal(word_at(p, sp + (n + 1) * width, width), 0);
	sp += (n + 2) * width;
	for (n = 0; envp[n]; n++)
		string_is(p, word_at(p, sp + n * width, width), envp[n]);
	assert_int_equal(word_at(p, sp + n * width, width), 0);
	sp += (n + 1) * width;
	for (n = 0; n < WORDS - 1; n++) {
		pair[n] = word_at(p, sp + n * width, width);
		if (n % 2 && pair[n - 1] == AT_NULL)
			break;
	}
	assert_int_equal(n % 2, 1);
	string_is(p, pair_find(pair, AT_EXECFN), file);
	uint8_t random[16], zeros[16] = { 0 };
	assert_int_equal(pw_read(p, pair_find(pair, AT_RANDOM), random, 16), PW_SUCCESS);
	assert_memory_not_equal(random, zeros, 16);
}

static void both_widths(void **state)
{
	(void)state;
	static const struct { const char *format; unsigned width; } machines[] = {
		{ "x86-64", 8 }, { "sv39", 8 }, { "x86-32", 4 }, { "sv32", 4 }, { "x86-pae", 4 },
	};
	for (unsigned i = 0; i < sizeof machines / sizeof *machines; i++) {
		struct pw_computer *c = computer_of(machines[i].format, "40");
		struct pw_process *p = process_in(c);
		const char *const argv[] = { "made", "", "a b", NULL }, *const envp[] = { "X=y", NULL };
		struct pw_program at;
		struct made m;
		char *why;
		uint64_t word = 0x1122334455667788;
		made_init(&m, machines[i].width);
		made_write(&m, sizeof m.bytes);
		if (pw_process_exec(p, m.path, argv, envp, &at, &why) != PW_SUCCESS)
			fail_msg("%s", why);
		made_same(p, &m);
		stack_is(p, &at, m.path, argv, envp, machines[i].width);
		assert_int_equal(at.entry, 0x400800);
		assert_int_equal(at.program_base | at.interpreter_base, 0);
		assert_int_equal(pw_write(p, 0x400010, &word, 8), PW_E_REFUSED);
		assert_int_equal(pw_write(p, 0x500a00, &word, 8), PW_E_REFUSED);
		assert_int_equal(pw_write(p, 0x402010, &word, 8), PW_SUCCESS);
		assert_int_equal(pw_process_exec(p, m.path, argv, envp, &at, &why), PW_SUCCESS);
		made_same(p, &m); /* what was written was the process's own */
		unlink(m.path);
		computer_end(c);
	}
}

static void the_wrong_width_is_refused(void **state)
{
	(void)state;
	static const char *const format[] = { "x86-32", "x86-64" };
	for (unsigned i = 0; i < 2; i++) {
		struct pw_computer *c = computer_of(format[i], "40");
		struct pw_process *p = process_in(c);
		struct made m;
		char *why;
		made_init(&m, i ? 4 : 8);
		assert_int_equal(made_exec(p, &m, sizeof m.bytes, NULL, &why), PW_E_INPUT);
		assert_non_null(strstr(why, "bits"));
		pw_free(why);
		computer_end(c);
	}
}

static uint64_t figure(struct pw_computer *c, const char *name)
{
	double value = -1;
	assert_int_equal(pw_figure(c, name, &value), PW_SUCCESS);
	return (uint64_t)value;
}

/* The heap begins behind a guard, grows and shrinks; the stack grows to its limit and no further. */
static void heap_and_stack_grow(void **state)
{
	(void)state;
	struct pw_computer *c = computer_of("x86-64", "64");
	struct pw_process *p = process_in(c);
	struct pw_program at;
	struct pw_step step;
	struct made m;
	char *why;
	made_init(&m, 8);
	assert_int_equal(made_exec(p, &m, sizeof m.bytes, &at, &why), PW_SUCCESS);
	struct mappings all = mappings_of(p);
	assert_string_equal(mapping_at(&all, at.heap)->name, "[heap]");
	assert_string_equal(mapping_at(&all, at.heap - 1)->name, "[guard]");
	assert_int_equal(pw_step(p, at.heap - 1, PW_LOAD, &step), PW_E_REFUSED);
	assert_non_null(strstr(step.why, "guard"));
	assert_int_equal(pw_step(p, at.heap + 10 * PAGE, PW_STORE, &step), PW_E_REFUSED);
	assert_int_equal(pw_process_heap(p, at.heap + 11 * PAGE), PW_SUCCESS);
	assert_int_equal(pw_step(p, at.heap + 10 * PAGE, PW_STORE, &step), PW_SUCCESS);
	all = mappings_of(p);
	assert_int_equal(mapping_named(&all, "[heap]")->bytes, 11 * PAGE);
	assert_int_equal(pw_process_heap(p, at.heap), PW_SUCCESS);
	assert_int_equal(pw_step(p, at.heap, PW_LOAD, &step), PW_E_REFUSED);
	assert_int_equal(pw_process_heap(p, at.heap - 1), PW_E_INVALID);
	const struct mapping *stack = mapping_named(&all, "[stack]");
	uint64_t top = stack->start + stack->bytes, limit = 8 << 20;
	for (uint64_t below = 1; below <= limit / PAGE; below += 31)
		assert_int_equal(pw_step(p, top - below * PAGE, PW_STORE, &step), PW_SUCCESS);
	assert_int_equal(pw_step(p, top - limit, PW_STORE, &step), PW_SUCCESS);
	assert_int_equal(pw_step(p, top - limit - 1, PW_STORE, &step), PW_E_REFUSED);
	all = mappings_of(p);
	assert_int_equal(mapping_named(&all, "[stack]")->bytes, limit);
	const struct mapping *guard = mapping_at(&all, top - limit - (1 << 20) - 1);
	assert_non_null(guard);
	assert_int_equal(guard->rights, 0);
	uint64_t somewhere;
	assert_int_equal(pw_map(p, PW_ANYWHERE, PAGE, PW_READ, NULL, &somewhere), PW_SUCCESS);
	assert_true(somewhere < guard->start); /* not where the stack would grow */
	computer_end(c);
}

/* Loading brings in the stack and the zeros behind data, nothing else; two processes of one program read its file once. */
static void pages_come_when_touched(void **state)
{
	(void)state;
	struct pw_computer *c = computer_of("x86-64", "40");
	struct pw_process *p = process_in(c), *q = process_in(c), *child;
	struct made m;
	struct pw_step step;
	char *why;
	made_init(&m, 8);
	made_write(&m, sizeof m.bytes);
	assert_int_equal(pw_process_exec(p, m.path, NULL, NULL, NULL, &why), PW_SUCCESS);
	assert_int_equal(figure(c, "memory.resident_pages"), 1 + 2 * 2); /* stack; the padded pages, the file's and the copy */
	assert_int_equal(pw_step(p, 0x400800, PW_FETCH, &step), PW_SUCCESS);
	assert_true(step.major);
	assert_string_equal(step.cause, "file_read");
	assert_int_equal(pw_process_exec(q, m.path, NULL, NULL, NULL, &why), PW_SUCCESS);
	unlink(m.path);
	assert_int_equal(pw_step(q, 0x400800, PW_FETCH, &step), PW_SUCCESS);
	assert_string_equal(step.cause, "file_cached");
	assert_int_equal(pw_process_fork(p, &child), PW_SUCCESS);
	made_same(child, &m);
	assert_int_equal(pw_process_heap(child, 0x500000 + 64 * PAGE), PW_SUCCESS);
	assert_int_equal(pw_step(child, 0x500000 + 63 * PAGE, PW_STORE, &step), PW_SUCCESS);
	assert_int_equal(pw_step(p, 0x500000 + 63 * PAGE, PW_STORE, &step), PW_E_REFUSED);
	computer_end(c);
}

/* Every page the new program can reach, in the frames the old one had: nothing of it is left there. */
static void nothing_of_the_old_program_is_left(void **state)
{
	(void)state;
	static const char secret[] = "nobody else may read this";
	struct pw_computer *c = computer_of("x86-64", "24");
	struct pw_process *p = process_in(c);
	struct pw_program at;
	struct made m;
	uint8_t page[PAGE];
	char *why;
	made_init(&m, 8);
	assert_int_equal(pw_map(p, 0x400000, 60 * PAGE, PW_READ | PW_WRITE, NULL, NULL), PW_SUCCESS);
	for (uint64_t i = 0; i < 60 * PAGE; i += 64)
		assert_int_equal(pw_write(p, 0x400000 + i, secret, sizeof secret), PW_SUCCESS);
	assert_int_equal(made_exec(p, &m, sizeof m.bytes, &at, &why), PW_SUCCESS);
	assert_int_equal(pw_process_heap(p, at.heap + 40 * PAGE), PW_SUCCESS);
	const struct mappings all = mappings_of(p);
	unsigned pages = 0;
	for (unsigned i = 0; i < all.n; i++)
		for (uint64_t n = 0; all.at[i].rights & PW_READ && n < all.at[i].bytes; n += PAGE, pages++) {
			assert_int_equal(pw_read(p, all.at[i].start + n, page, PAGE), PW_SUCCESS);
			assert_null(memmem(page, PAGE, secret, 8));
		}
	assert_true(pages > 70);
	computer_end(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_programs_are_their_files),
		cmocka_unit_test(readelf_says_the_same),
		cmocka_unit_test(linux_maps_the_same),
		cmocka_unit_test(both_widths),
		cmocka_unit_test(the_wrong_width_is_refused),
		cmocka_unit_test(heap_and_stack_grow),
		cmocka_unit_test(pages_come_when_touched),
		cmocka_unit_test(nothing_of_the_old_program_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
