/* faults_test.c - page faults watched: a program whose faults are known, exactly; and each part by itself, down to damaged records. */
#include "../src/base/inject.h"
#include "../src/base/rng.h"
#include "../src/host/fault_tally.h"
#include "../src/host/hold.h"
#include "../src/host/maps.h"
#include "../src/host/symbols.h"
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { PAGE = 4096, TOUCHED = 300 };

/* ---- a program whose faults are known */

struct range {
	uint64_t first, end;
	long faults;          /* as getrusage counted them */
	uint64_t seen, in_class;
};
struct watched {
	struct range anon, file, copy;
	struct tally tally;
	uint32_t pid;
	struct fault *fault;  /* all of them; their names are gone */
	size_t n;
};

static char *scratch_file(size_t bytes)
{
	static char path[256];
	const char *dir = getenv("TMPDIR");
	snprintf(path, sizeof path, "%s/pageworks-faults.XXXXXX", dir ? dir : "/tmp");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	char *block = calloc(1, 1 << 16);
	for (size_t at = 0; at < bytes; at += 1 << 16)
		assert_int_equal(write(fd, block, 1 << 16), 1 << 16);
	free(block);
	close(fd);
	return path;
}

static const char *faulter(void)
{
	static char path[512];
	const char *build = getenv("BUILD");
	snprintf(path, sizeof path, "%s/test/prog/faulter", build ? build : "build");
	return path;
}

/* Starts the program with its output in a pipe.  => false: faults may not be watched here. */
static bool faulter_start(const char *file, struct hold *hold, struct faults **ret, int *ret_out)
{
	char n[16];
	int out[2], own = dup(STDOUT_FILENO);
	struct pw_why why = { "" };
	snprintf(n, sizeof n, "%d", TOUCHED);
	assert_int_equal(pipe(out), 0);
	fflush(stdout);
	dup2(out[1], STDOUT_FILENO);
	enum pw_err err = hold_start((char *[]){ (char *)faulter(), n, (char *)file, NULL }, hold, &why);
	dup2(own, STDOUT_FILENO);
	close(own);
	close(out[1]);
	*ret_out = out[0];
	assert_int_equal(err, PW_OK);
	struct faults_options o = { .rings = { .pid = (uint32_t)hold->pid, .at_exec = true } };
	err = faults_open(&o, ret, &why);
	if (err == PW_OK)
		return true;
	hold_abandon(hold);
	close(out[0]);
	assert_true(err == PW_ACCESS || err == PW_UNSUPPORTED);
	print_message("# SKIP: %s\n", why.text);
	return false;
}

static void take(struct watched *w, struct faults *f, bool last)
{
	struct fault fault;
	assert_int_equal(faults_collect(f, last), PW_OK);
	while (faults_next(f, &fault)) {
		assert_int_equal(tally_add(&w->tally, &fault), PW_OK);
		w->fault = realloc(w->fault, (w->n + 1) * sizeof *w->fault);
		w->fault[w->n++] = fault;
	}
}

static void ranges_read(struct watched *w, int out)
{
	FILE *f = fdopen(out, "r");
	char kind[8];
	uint64_t first, end;
	long faults;
	while (fscanf(f, "%7s %" SCNu64 " %" SCNu64 " %ld", kind, &first, &end, &faults) == 4) {
		struct range r = { first, end, faults, 0, 0 };
		if (strcmp(kind, "anon") == 0)
			w->anon = r;
		else if (strcmp(kind, "file") == 0)
			w->file = r;
		else if (strcmp(kind, "copy") == 0)
			w->copy = r;
	}
	fclose(f);
}

/* Those faults of the range that the process itself, or its child, had. */
static void range_count(const struct watched *w, struct range *r, bool child, enum fault_class class)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct fault *f = &w->fault[i];
		if (f->address < r->first || f->address >= r->end || (f->pid == w->pid) == child)
			continue;
		r->seen++;
		r->in_class += f->class == class;
	}
	if (r->seen != TOUCHED || r->in_class != TOUCHED || r->faults != TOUCHED)
		fail_msg("%s: %" PRIu64 " seen, %" PRIu64 " in their class, getrusage counted %ld, there were %d", fault_class_name(class),
		         r->seen, r->in_class, r->faults, TOUCHED);
}

static void a_program_has_the_faults_it_has(void **state)
{
	(void)state;
	char *file = scratch_file((size_t)TOUCHED * 16 * PAGE);
	struct watched w = { 0 };
	struct hold hold;
	struct faults *f;
	struct rings_state rings;
	int out, status;
	if (!faulter_start(file, &hold, &f, &out)) {
		unlink(file);
		skip();
	}
	assert_int_equal(tally_init(&w.tally), PW_OK);
	w.pid = (uint32_t)hold.pid;
	assert_int_equal(hold_release(&hold, faulter(), NULL), PW_OK);
	while (waitpid(hold.pid, &status, WNOHANG) == 0) {
		faults_wait(f, 10);
		take(&w, f, false);
	}
	take(&w, f, true);
	unlink(file);
	assert_int_equal(status, 0);
	ranges_read(&w, out);
	faults_state(f, &rings);
	assert_int_equal(rings.lost + rings.damaged, 0);
	assert_int_equal(rings.minor + rings.major, w.tally.faults);
	range_count(&w, &w.anon, false, FAULT_first_touch);
	range_count(&w, &w.file, false, FAULT_file_cached);
	range_count(&w, &w.copy, true, FAULT_copy_on_write);
	tally_sort(&w.tally);
	assert_null(tally_flaw(&w.tally));
	assert_null(faults_flaw(f));
	uint64_t of_file = 0, of_touch = 0;
	for (uint32_t i = 0; i < w.tally.mappings.n; i++)
		if (strcmp(w.tally.mappings.row[i].name, file) == 0)
			of_file = w.tally.mappings.row[i].by_class[FAULT_file_cached];
	for (uint32_t i = 0; i < w.tally.functions.n; i++)
		if (strcmp(w.tally.functions.row[i].name, "touch") == 0)
			of_touch = w.tally.functions.row[i].faults;
	assert_int_equal(of_file, TOUCHED);
	assert_true(of_touch >= 3 * TOUCHED);
	tally_fini(&w.tally);
	free(w.fault);
	faults_close(f);
}

static void a_process_is_joined(void **state)
{
	(void)state;
	struct faults *f;
	struct pw_why why = { "" };
	struct fault fault;
	volatile char *p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise((void *)p, 64 * PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < 32; i++)
		p[i * PAGE] = 1;
	struct faults_options o = { .rings = { .pid = (uint32_t)getpid() } };
	enum pw_err err = faults_open(&o, &f, &why);
	if (err != PW_OK) {
		assert_true(err == PW_ACCESS || err == PW_UNSUPPORTED);
		print_message("# SKIP: %s\n", why.text);
		munmap((void *)p, 64 * PAGE);
		skip();
	}
	for (int i = 0; i < 64; i++)
		p[i * PAGE] = 2;
	pid_t child = fork();
	if (child == 0) {
		for (int i = 0; i < 40; i++)
			p[i * PAGE] = 3;
		_exit(0);
	}
	waitpid(child, NULL, 0);
	unsigned fresh = 0, copied = 0;
	assert_int_equal(faults_collect(f, true), PW_OK);
	while (faults_next(f, &fault))
		if (fault.address >= (uintptr_t)p && fault.address < (uintptr_t)p + 64 * PAGE) {
			bool ours = fault.pid == (uint32_t)getpid();
			assert_int_equal(fault.class, ours ? FAULT_first_touch : FAULT_copy_on_write);
			assert_string_equal(fault.name, "[anonymous]");
			++*(ours ? &fresh : &copied);
		}
	assert_int_equal(fresh, 32);
	assert_int_equal(copied, 40);
	faults_close(f);
	munmap((void *)p, 64 * PAGE);
	o.rings.pid = 0x7ffffff0;
	assert_int_equal(faults_open(&o, &f, &why), PW_NOTFOUND);
	assert_non_null(strstr(why.text, "no process"));
}

static void commands_that_cannot_be(void **state)
{
	(void)state;
	struct hold h;
	struct pw_why why = { "" };
	assert_int_equal(hold_start((char *[]){ (char *)"/nonexistent/x", NULL }, &h, &why), PW_OK);
	assert_int_equal(hold_release(&h, "/nonexistent/x", &why), PW_NOTFOUND);
	assert_int_equal(hold_start((char *[]){ (char *)"/", NULL }, &h, &why), PW_OK);
	assert_int_equal(hold_release(&h, "/", &why), PW_ACCESS);
	assert_int_equal(hold_start((char *[]){ (char *)"true", NULL }, &h, &why), PW_OK);
	hold_abandon(&h);
}

/* ---- instructions */

#if defined __x86_64__
static void directions_of_instructions(void **state)
{
	(void)state;
	enum { SP = 0x7000, DI = 0x9000, SI = 0x5000 };
	static const struct { const char *code; unsigned n; uint64_t address; enum fault_access want; } insn[] = {
		{ "\x8b\x07", 2, 0x100, FAULT_LOAD },              /* mov eax, [rdi] */
		{ "\x89\x07", 2, 0x100, FAULT_STORE },             /* mov [rdi], eax */
		{ "\x48\x01\x07", 3, 0x100, FAULT_STORE },         /* add [rdi], rax */
		{ "\x48\x39\x07", 3, 0x100, FAULT_LOAD },          /* cmp [rdi], rax */
		{ "\xc6\x00\x01", 3, 0x100, FAULT_STORE },         /* mov byte [rax], 1 */
		{ "\x80\x38\x01", 3, 0x100, FAULT_LOAD },          /* cmp byte [rax], 1 */
		{ "\x83\x00\x01", 3, 0x100, FAULT_STORE },         /* add dword [rax], 1 */
		{ "\xf6\x00\x01", 3, 0x100, FAULT_LOAD },          /* test byte [rax], 1 */
		{ "\xf0\x0f\xb1\x0f", 4, 0x100, FAULT_STORE },     /* lock cmpxchg [rdi], ecx */
		{ "\x0f\xb6\x07", 3, 0x100, FAULT_LOAD },          /* movzx eax, byte [rdi] */
		{ "\x0f\x11\x07", 3, 0x100, FAULT_STORE },         /* movups [rdi], xmm0 */
		{ "\x66\x0f\x6f\x07", 4, 0x100, FAULT_LOAD },      /* movdqa xmm0, [rdi] */
		{ "\x66\x0f\x7f\x07", 4, 0x100, FAULT_STORE },     /* movdqa [rdi], xmm0 */
		{ "\xf3\x0f\x7e\x07", 4, 0x100, FAULT_LOAD },      /* movq xmm0, [rdi] */
		{ "\x66\x0f\xd6\x07", 4, 0x100, FAULT_STORE },     /* movq [rdi], xmm0 */
		{ "\xc5\xfe\x7f\x07", 4, 0x100, FAULT_STORE },     /* vmovdqu [rdi], ymm0 */
		{ "\xc5\xfe\x6f\x07", 4, 0x100, FAULT_LOAD },      /* vmovdqu ymm0, [rdi] */
		{ "\x62\xf1\xfe\x48\x7f\x07", 6, 0x100, FAULT_STORE }, /* vmovdqu64 [rdi], zmm0 */
		{ "\x62\xf1\xfe\x48\x6f\x07", 6, 0x100, FAULT_LOAD },
		{ "\x0f\x38\xf1\x07", 4, 0x100, FAULT_STORE },     /* movbe [rdi], eax */
		{ "\xf2\x0f\x38\xf1\x07", 5, 0x100, FAULT_LOAD },  /* crc32 eax, dword [rdi] */
		{ "\xf3\xaa", 2, DI, FAULT_STORE },                /* rep stosb */
		{ "\xf3\xa4", 2, DI, FAULT_STORE },                /* rep movsb: where it writes */
		{ "\xf3\xa4", 2, SI, FAULT_LOAD },                 /* and where it reads */
		{ "\x50", 1, SP - 8, FAULT_STORE },                /* push rax */
		{ "\x58", 1, SP, FAULT_LOAD },                     /* pop rax */
		{ "\xe8\0\0\0\0", 5, SP - 8, FAULT_STORE },        /* call */
		{ "\xff\x10", 2, SP - 8, FAULT_STORE },            /* call [rax]: its push */
		{ "\xff\x10", 2, 0x100, FAULT_LOAD },              /* and its load */
		{ "\xc3", 1, SP, FAULT_LOAD },
		{ "\x90", 1, 0x100, FAULT_UNTOLD },                /* nop refers to nothing */
		{ "\x89\xc8", 2, 0x100, FAULT_UNTOLD },            /* mov eax, ecx */
		{ "", 0, 0x100, FAULT_UNTOLD },
	};
	struct fault_record r = { .kind = RECORD_FAULT, .has_regs = true, .ip = 0x400000, .name = "",
	                          .reg = { [RECORD_SP] = SP, [RECORD_DI] = DI, [RECORD_SI] = SI, [RECORD_IP] = 0x400000 } };
	for (unsigned i = 0; i < sizeof insn / sizeof *insn; i++) {
		r.address = insn[i].address;
		enum fault_access got = access_of((const uint8_t *)insn[i].code, insn[i].n, &r);
		if (got != insn[i].want)
			fail_msg("instruction %u: %s, not %s", i, access_word(got), access_word(insn[i].want));
	}
	r.address = r.ip + 3;
	assert_int_equal(access_of((const uint8_t *)"\x90", 1, &r), FAULT_FETCH);
	r.in_kernel = true;
	assert_int_equal(access_of((const uint8_t *)"\x89\x07", 2, &r), FAULT_UNTOLD);
}
#endif

/* ---- records */

static size_t map_record(uint8_t *bytes, const char *name)
{
	struct { struct perf_event_header h; uint32_t pid, tid; uint64_t start, len, off; uint32_t major, minor; uint64_t ino, gen;
	         uint32_t prot, flags; } r = { .h = { .type = PERF_RECORD_MMAP2 }, .pid = 7, .tid = 8, .start = 0x10000, .len = 0x3000,
	         .off = 0x1000, .ino = 42, .prot = PROT_READ, .flags = MAP_PRIVATE };
	struct { uint32_t pid, tid; uint64_t time, id; } tail = { 7, 8, 99, 5 };
	size_t text = (strlen(name) + 8) & ~7ull;
	r.h.size = (uint16_t)(sizeof r + text + sizeof tail);
	memset(bytes, 0, r.h.size);
	memcpy(bytes, &r, sizeof r);
	memcpy(bytes + sizeof r, name, strlen(name));
	memcpy(bytes + sizeof r + text, &tail, sizeof tail);
	return r.h.size;
}

static void records_cut_off_are_no_records(void **state)
{
	(void)state;
	uint8_t bytes[512];
	struct record_layout l = { .major_id = 3, .regs = true, .page_size = true };
	struct fault_record r;
	size_t n = map_record(bytes, "/a b");
	assert_int_equal(record_decode(bytes, n, &l, &r), PW_OK);
	assert_int_equal(r.kind, RECORD_MAP);
	assert_string_equal(r.name, "/a b");
	assert_int_equal(r.time_ns, 99);
	assert_int_equal(r.bytes, 0x3000);
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *exact = malloc(cut + 1);
		memcpy(exact, bytes, cut);
		enum pw_err err = record_decode(exact, cut, &l, &r);
		assert_true(err == PW_FORMAT || memchr(r.name, 0, cut));
		free(exact);
	}
	/* A sample: header, ip, ids, time, address, id, abi and four registers, size of the page. */
	uint64_t words[13] = { PERF_RECORD_SAMPLE | 1ull << 32, 0x401000, 7 | 8ull << 32, 50, 0x5000, 3, 2, 1, 2, 3, 4, PAGE };
	assert_int_equal(record_decode(words, 12 * 8, &l, &r), PW_OK);
	assert_true(r.major && r.in_kernel && r.has_regs && r.address == 0x5000 && r.page_bytes == PAGE && r.reg[RECORD_IP] == 4);
	for (size_t cut = 8; cut < 12 * 8; cut++)
		assert_int_equal(record_decode(words, cut, &l, &r), PW_FORMAT);
	words[6] = 0; /* a kernel thread has no registers */
	words[7] = 2 << 20;
	assert_int_equal(record_decode(words, 8 * 8, &l, &r), PW_OK);
	assert_true(!r.has_regs && r.page_bytes == 2 << 20);
}

/* ---- address spaces and classes */

static void map(struct spaces *s, uint32_t pid, uint64_t start, uint64_t end, uint32_t prot, uint32_t flags, const char *name)
{
	struct fault_record r = { .kind = RECORD_MAP, .pid = pid, .tid = pid, .start = start, .bytes = end - start, .prot = prot,
	                          .flags = flags, .name = name, .inode = name[0] == '/' && name[1] != '/' ? 77 : 0 };
	assert_int_equal(spaces_take(s, &r), PW_OK);
	assert_null(spaces_flaw(s));
}

static enum fault_class fault_at(struct spaces *s, uint32_t pid, uint64_t address, enum fault_access access, bool major)
{
	struct fault_record r = { .kind = RECORD_FAULT, .pid = pid, .address = address, .major = major, .has_regs = true, .name = "",
	                          .page_bytes = PAGE, .reg = { [RECORD_SP] = 0x900000 } };
	struct space *space = spaces_get(s, pid);
	const struct space_mapping *m = space_find(space, address);
	enum fault_class c = fault_classify(s, space, m, &r, access);
	assert_int_equal(fault_remember(space, m, &r, access, c), PW_OK);
	return c;
}

static void fork_to(struct spaces *s, uint32_t parent, uint32_t child)
{
	struct fault_record r = { .kind = RECORD_FORK, .pid = child, .tid = child, .parent = parent, .name = "" };
	assert_int_equal(spaces_take(s, &r), PW_OK);
}

static void every_class_by_its_rule(void **state)
{
	(void)state;
	enum { RW = PROT_READ | PROT_WRITE };
	struct spaces *s;
	assert_int_equal(spaces_create(NULL, NULL, &s), PW_OK);
	map(s, 1, 0x10000, 0x20000, RW, MAP_PRIVATE, "//anon");
	map(s, 1, 0x30000, 0x40000, RW, MAP_PRIVATE, "/lib");
	map(s, 1, 0x50000, 0x60000, RW, MAP_SHARED, "/data");
	map(s, 1, 0x70000, 0x80000, RW, MAP_SHARED, "/memfd:x (deleted)");
	map(s, 1, 0x880000, 0x910000, RW, MAP_PRIVATE, "//anon");
	map(s, 1, 0xa00000, 0xa01000, PROT_READ, MAP_PRIVATE, "[vdso]");
	assert_int_equal(fault_at(s, 1, 0x10000, FAULT_STORE, false), FAULT_first_touch);
	assert_int_equal(fault_at(s, 1, 0x10000, FAULT_STORE, false), FAULT_unknown);
	assert_int_equal(fault_at(s, 1, 0x10000, FAULT_STORE, true), FAULT_swap_in);
	assert_int_equal(fault_at(s, 1, 0x11000, FAULT_LOAD, false), FAULT_zero_read);
	assert_int_equal(fault_at(s, 1, 0x11000, FAULT_STORE, false), FAULT_zero_write);
	assert_int_equal(fault_at(s, 1, 0x12000, FAULT_UNTOLD, false), FAULT_first_touch);
	assert_int_equal(fault_at(s, 1, 0x30000, FAULT_LOAD, false), FAULT_file_cached);
	assert_int_equal(fault_at(s, 1, 0x30000, FAULT_STORE, false), FAULT_copy_on_write);
	assert_int_equal(fault_at(s, 1, 0x31000, FAULT_FETCH, true), FAULT_file_read);
	assert_int_equal(fault_at(s, 1, 0x32000, FAULT_UNTOLD, false), FAULT_unknown);
	assert_int_equal(fault_at(s, 1, 0x30000, FAULT_LOAD, true), FAULT_swap_in);
	assert_int_equal(fault_at(s, 1, 0x50000, FAULT_LOAD, false), FAULT_file_cached);
	assert_int_equal(fault_at(s, 1, 0x50000, FAULT_STORE, false), FAULT_file_dirtied);
	assert_int_equal(fault_at(s, 1, 0x51000, FAULT_STORE, false), FAULT_file_cached);
	assert_int_equal(fault_at(s, 1, 0x70000, FAULT_STORE, false), FAULT_shared_memory);
	assert_int_equal(fault_at(s, 1, 0x8fff00, FAULT_STORE, false), FAULT_stack);
	assert_int_equal(fault_at(s, 1, 0xa00000, FAULT_LOAD, false), FAULT_kernel_page);
	assert_int_equal(fault_at(s, 1, 0xb00000, FAULT_LOAD, false), FAULT_unknown);
	fork_to(s, 1, 2);
	assert_int_equal(fault_at(s, 2, 0x10000, FAULT_STORE, false), FAULT_copy_on_write);
	assert_int_equal(fault_at(s, 2, 0x13000, FAULT_STORE, false), FAULT_first_touch);
	assert_int_equal(fault_at(s, 1, 0x10000, FAULT_STORE, false), FAULT_copy_on_write);
	assert_int_equal(fault_at(s, 1, 0x12000, FAULT_LOAD, false), FAULT_unknown);
	spaces_destroy(s);
}

static void what_a_report_of_a_mapping_means(void **state)
{
	(void)state;
	enum { RW = PROT_READ | PROT_WRITE };
	struct spaces *s;
	assert_int_equal(spaces_create(NULL, NULL, &s), PW_OK);
	map(s, 1, 0x10000, 0x20000, RW, MAP_PRIVATE, "//anon");
	fault_at(s, 1, 0x10000, FAULT_STORE, false);
	map(s, 1, 0x10000, 0x20000, RW, MAP_PRIVATE, "//anon"); /* unmapped meanwhile, so it is new */
	assert_int_equal(fault_at(s, 1, 0x10000, FAULT_STORE, false), FAULT_first_touch);
	map(s, 1, 0x10000, 0x11000, PROT_READ, MAP_PRIVATE, "//anon"); /* only its rights changed */
	map(s, 1, 0x10000, 0x11000, RW, MAP_PRIVATE, "//anon");
	assert_int_equal(fault_at(s, 1, 0x10000, FAULT_STORE, false), FAULT_unknown);
	map(s, 1, 0x10000, 0x30000, RW, MAP_PRIVATE, "//anon"); /* grew, or was unmapped and mapped again with more */
	fork_to(s, 1, 2);
	assert_int_equal(fault_at(s, 2, 0x10000, FAULT_STORE, false), FAULT_unknown);
	assert_int_equal(fault_at(s, 2, 0x25000, FAULT_STORE, false), FAULT_first_touch);
	map(s, 1, 0x100000, 0x110000, RW, MAP_PRIVATE, "[heap]");
	fault_at(s, 1, 0x100000, FAULT_STORE, false);
	map(s, 1, 0x100000, 0x130000, RW, MAP_PRIVATE, "[heap]");
	fork_to(s, 1, 3);
	assert_int_equal(fault_at(s, 3, 0x100000, FAULT_STORE, false), FAULT_copy_on_write);
	struct fault_record exec = { .kind = RECORD_COMM, .pid = 3, .tid = 3, .exec = true, .name = "new" };
	assert_int_equal(spaces_take(s, &exec), PW_OK);
	assert_null(space_find(spaces_get(s, 3), 0x100000));
	assert_string_equal(space_comm(spaces_get(s, 3)), "new");
	spaces_destroy(s);
}

/* What is told of mappings, applied to an array of pages, is what the space says. */
struct told {
	uint8_t prot[256];
};
static void hear(void *ctx, uint32_t pid, const struct space_change *c)
{
	struct told *t = ctx;
	(void)pid;
	for (uint64_t p = c->start / PAGE; p < c->end / PAGE; p++) {
		assert_true(c->kind == SPACE_MAPPED || t->prot[p]);
		t->prot[p] = (uint8_t)(c->mapping->prot | 8);
	}
}

static void random_reports_keep_the_space_whole(void **state)
{
	(void)state;
	static const char *const name[] = { "//anon", "/lib", "[heap]", "/data" };
	struct rng r;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct told told = { { 0 } }, want = { { 0 } };
		struct spaces *s;
		rng_init(&r, seed);
		assert_int_equal(spaces_create(hear, &told, &s), PW_OK);
		for (int i = 0; i < 200; i++) {
			uint64_t first = rng_next(&r) % 250, n = 1 + rng_next(&r) % (256 - first > 40 ? 40 : 256 - first);
			uint32_t prot = (uint32_t)(rng_next(&r) % 8);
			uint32_t flags = rng_next(&r) % 2 ? MAP_PRIVATE : MAP_SHARED;
			map(s, 1, first * PAGE, (first + n) * PAGE, prot, flags, name[rng_next(&r) % 4]);
			memset(want.prot + first, (int)(prot | 8), n);
			fault_at(s, 1, (rng_next(&r) % 256) * PAGE, (enum fault_access)(rng_next(&r) % 4), rng_next(&r) % 9 == 0);
		}
		if (memcmp(&told, &want, sizeof told))
			fail_msg("seed %" PRIu64 ": what was told is not what is mapped", seed);
		for (uint64_t p = 0; p < 256; p++) {
			const struct space_mapping *m = space_find(spaces_get(s, 1), p * PAGE);
			assert_int_equal(m ? m->prot | 8 : 0, want.prot[p]);
		}
		spaces_destroy(s);
	}
}

/* ---- symbols */

__attribute__((noinline)) static int somebody(int x) { return x * 3; }

static void functions_have_names(void **state)
{
	(void)state;
	struct procfs *proc;
	struct maps maps;
	struct symbols *y;
	assert_int_equal(procfs_open("/", &proc, NULL), PW_OK);
	assert_int_equal(maps_read(proc, (uint32_t)getpid(), MAPS_PLAIN, &maps, NULL), PW_OK);
	const struct maps_entry *e = maps_find(&maps, (uintptr_t)somebody);
	assert_non_null(e);
	assert_int_equal(symbols_open("/proc/self/exe", &y), PW_OK);
	uint64_t into = 1;
	const char *name = symbols_at(y, (uintptr_t)somebody - e->start + e->offset, &into);
	assert_non_null(name);
	assert_string_equal(name, "somebody");
	assert_int_equal(into, 0);
	assert_int_equal(somebody(2), 6);
	assert_null(symbols_at(y, UINT64_MAX, &into));
	symbols_close(y);
	maps_fini(&maps);
	procfs_close(proc);
	assert_int_equal(symbols_open("/", &y), PW_FORMAT);
	assert_int_equal(symbols_open("/nonexistent", &y), PW_NOTFOUND);
}

static void damaged_programs_are_refused_or_read(void **state)
{
	(void)state;
	FILE *f = fopen(faulter(), "r");
	if (!f)
		skip();
	static uint8_t bytes[1 << 18];
	size_t n = fread(bytes, 1, sizeof bytes, f);
	fclose(f);
	struct rng r;
	rng_init(&r, 1);
	for (int i = 0; i < 600; i++) {
		size_t cut = i % 2 ? n : rng_next(&r) % n;
		uint8_t *copy = malloc(cut + 1);
		struct symbols *y;
		uint64_t into;
		memcpy(copy, bytes, cut);
		for (int flips = 0; cut && flips < 4; flips++)
			copy[rng_next(&r) % (flips % 2 && cut > 900 ? 900 : cut)] ^= (uint8_t)rng_next(&r);
		if (symbols_parse(copy, cut, &y) == PW_OK) {
			for (int k = 0; k < 20; k++)
				symbols_at(y, rng_next(&r) % (cut + 100), &into);
			symbols_close(y);
		}
		free(copy);
	}
}

/* ---- memory that runs out */

static enum pw_err scenario(void)
{
	struct spaces *s;
	struct tally t;
	struct symbols *y = NULL;
	enum pw_err err = spaces_create(NULL, NULL, &s);
	if (err != PW_OK)
		return err;
	struct fault_record m = { .kind = RECORD_MAP, .pid = 1, .tid = 1, .start = 0x10000, .bytes = 0x10000, .prot = 3,
	                          .flags = MAP_PRIVATE, .name = "//anon" };
	struct fault_record cut = m, forked = { .kind = RECORD_FORK, .pid = 2, .tid = 2, .parent = 1, .name = "" };
	cut.start += 0x4000;
	cut.bytes = 0x1000;
	cut.prot = 1;
	cut.name = "/x";
	err = spaces_take(s, &m);
	for (uint64_t page = 16; err == PW_OK && page < 200; page++)
		err = space_touch(spaces_get(s, 1), page, 1, PAGE_OWN);
	err = err == PW_OK ? spaces_take(s, &cut) : err;
	err = err == PW_OK ? spaces_take(s, &forked) : err;
	const char *flaw = spaces_flaw(s);
	spaces_destroy(s);
	assert_null(flaw);
	if (err == PW_OK && (err = tally_init(&t)) == PW_OK) {
		struct fault f = { .name = "a", .object = "b", .function = "c" };
		err = tally_add(&t, &f);
		tally_fini(&t);
	}
	if (err == PW_OK)
		err = symbols_open(faulter(), &y);
	symbols_close(y);
	return err;
}

static void allocations_fail_one_by_one(void **state)
{
	(void)state;
	enum pw_err err = PW_NOMEM;
	uint64_t k = 1;
	for (; err != PW_OK && k < 1000; k++) {
		inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
		err = scenario();
		bool reached = inject_count(INJECT_ALLOC) >= k;
		inject_disarm();
		if (reached && err == PW_OK)
			err = PW_NOMEM;      /* somebody did without */
		else if (reached)
			assert_int_equal(err, PW_NOMEM);
	}
	assert_int_equal(err, PW_OK);
	assert_true(k > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_has_the_faults_it_has),
		cmocka_unit_test(a_process_is_joined),
		cmocka_unit_test(commands_that_cannot_be),
#if defined __x86_64__
		cmocka_unit_test(directions_of_instructions),
#endif
		cmocka_unit_test(records_cut_off_are_no_records),
		cmocka_unit_test(every_class_by_its_rule),
		cmocka_unit_test(what_a_report_of_a_mapping_means),
		cmocka_unit_test(random_reports_keep_the_space_whole),
		cmocka_unit_test(functions_have_names),
		cmocka_unit_test(damaged_programs_are_refused_or_read),
		cmocka_unit_test(allocations_fail_one_by_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
