/* capture_test.c - programs under capture: what is seen of them, in which order, and that they notice nothing.
 *
 * The strongest law here: every reference lies in a mapping that an event before it announced, for programs whose threads map and
 * unmap without pause.  It fails when an event comes too early or too late, a mapping is missed, or an address is wrong. */
#include "../src/base/mem.h"
#include "../src/trace/capture.h"
#include "capture_maps.h"
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>
#include <setjmp.h>
#include <cmocka.h>

enum { PAGE = 4096, STORES = 1000, THREADS = 4, EVENTS = 2048, PROCESSES = 16, OUTPUT = 65536 };

static char folder[PATH_MAX], victim[PATH_MAX + 16], victim_static[PATH_MAX + 16], output_path[PATH_MAX + 16];
static bool can_capture;

/* ---- a recorded run ---- */

struct seen {
	uint32_t pid, tid;
	struct trace_event event;
	char name[256];
};

struct run {
	struct capture_outcome outcome;
	struct capture_process process[PROCESSES];
	unsigned n_processes;
	struct seen seen[EVENTS];
	unsigned n_seen;
	struct mappings maps;
	uint64_t n_stray;       /* references outside every mapping */
	uint64_t stray;         /* the first of them */
	uint64_t n_refs, hash;
	uint64_t watch;         /* first of four pages whose references are counted, or 0 */
	uint64_t watched[4][ACCESS_KINDS];
	uint32_t watched_tid[4];
	char output[OUTPUT];
};

static void see_event(struct run *r, const struct trace_item *item)
{
	assert_true(r->n_seen < EVENTS);
	struct seen *s = &r->seen[r->n_seen++];
	s->pid = item->pid;
	s->tid = item->tid;
	s->event = item->event;
	snprintf(s->name, sizeof(s->name), "%s", item->event.name);
	s->event.name = s->name;
	mappings_replay(&r->maps, item->pid, &item->event);
}

static void see_ref(struct run *r, const struct trace_item *item, ref_t ref)
{
	static unsigned last;
	uint64_t va = ref_va(ref).v, page = (va - r->watch) / PAGE;
	if (r->watch && va >= r->watch && page < 4) {
		r->watched[page][ref_kind(ref)]++;
		r->watched_tid[page] = item->tid;
	}
	if (last < r->maps.n && r->maps.mapping[last].pid == item->pid && va - r->maps.mapping[last].start < r->maps.mapping[last].end -
	    r->maps.mapping[last].start)
		return;
	for (last = 0; last < r->maps.n; last++)
		if (r->maps.mapping[last].pid == item->pid && va >= r->maps.mapping[last].start && va < r->maps.mapping[last].end)
			return;
	if (r->n_stray++ == 0)
		r->stray = va;
}

static void output_read(struct run *r)
{
	int fd = open(output_path, O_RDONLY);
	ssize_t n = read(fd, r->output, OUTPUT - 1);
	r->output[n > 0 ? n : 0] = 0;
	close(fd);
}

/* Standard output to the file while a program is started and runs. */
static int output_redirect(void)
{
	fflush(stdout);
	int kept = dup(STDOUT_FILENO), fd = open(output_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(fd, STDOUT_FILENO);
	close(fd);
	return kept;
}

static void output_return(int kept)
{
	dup2(kept, STDOUT_FILENO);
	close(kept);
}

static struct run *run_with(const struct capture_options *options, uint64_t watch, char *const argv[])
{
	struct run *r = calloc(1, sizeof(*r));
	struct trace *t = NULL;
	struct pw_why why = { "" };
	struct trace_item item;
	XXH64_state_t *hash = XXH64_createState();
	XXH64_reset(hash, 0);
	r->watch = watch;
	int kept = output_redirect();
	enum pw_err err = capture_open(options, argv, &t, &why);
	for (trace_next(t, &item); item.kind != TRACE_ITEM_END; trace_next(t, &item)) {
		if (item.kind == TRACE_ITEM_EVENT) {
			see_event(r, &item);
			XXH64_update(hash, &r->seen[r->n_seen - 1].event.kind, sizeof(item.event.kind));
			continue;
		}
		XXH64_update(hash, item.refs, item.n_refs * sizeof(*item.refs));
		for (uint64_t i = 0; i < item.n_refs; i++)
			see_ref(r, &item, item.refs[i]);
		r->n_refs += item.n_refs;
	}
	output_return(kept);
	assert_int_equal(err, PW_OK);
	assert_int_equal(trace_error(t, &why), PW_OK);
	capture_outcome(t, &r->outcome);
	const struct capture_process *process;
	r->n_processes = capture_processes(t, &process);
	assert_true(r->n_processes <= PROCESSES);
	memcpy(r->process, process, r->n_processes * sizeof(*process));
	trace_close(t);
	r->hash = XXH64_digest(hash);
	XXH64_freeState(hash);
	output_read(r);
	return r;
}

#define RUN(...) run_with(&(struct capture_options){ .seed = 7 }, 0, (char *[]){ __VA_ARGS__, NULL })
#define RUN_WATCHING(watch, ...) run_with(&(struct capture_options){ .seed = 7 }, watch, (char *[]){ __VA_ARGS__, NULL })

/* The address that the victim printed behind a name. */
static uint64_t printed(const struct run *r, const char *name)
{
	const char *p = strstr(r->output, name);
	assert_non_null(p);
	return strtoull(p + strlen(name), NULL, 16);
}

static const struct seen *find(const struct run *r, uint32_t pid, enum trace_event_kind kind, unsigned nth)
{
	for (unsigned i = 0; i < r->n_seen; i++)
		if (r->seen[i].pid == pid && r->seen[i].event.kind == kind && nth-- == 0)
			return &r->seen[i];
	fail_msg("process %u: no such event %d", pid, kind);
	return NULL;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n >= m && strcmp(s + n - m, end) == 0;
}

static void needs_qemu(void)
{
	if (!can_capture)
		skip();
}

static void no_strays(const struct run *r)
{
	if (r->n_stray)
		fail_msg("%lu references lie outside every mapping, the first at %lx", r->n_stray, r->stray);
}

/* ---- one process ---- */

static void test_events_of_a_program(void **state)
{
	(void)state;
	needs_qemu();
	struct run *r = RUN(victim, "arguments", "a b");
	assert_string_equal(strchr(r->output, ']') + 1, "[arguments][a b]\n");
	assert_int_equal(r->seen[0].event.kind, TRACE_PROCESS);
	assert_int_equal(r->seen[1].event.kind, TRACE_EXEC);
	assert_true(ends_with(r->seen[1].name, "/victim"));
	assert_true(ends_with(find(r, 1, TRACE_MAP, 0)->name, "/victim"));
	assert_int_equal(r->seen[r->n_seen - 1].event.kind, TRACE_EXIT);
	assert_int_equal(r->n_processes, 1);
	assert_int_equal(r->process[0].refs, r->n_refs);
	assert_true(r->outcome.ended && r->outcome.wall_s > 0);
	no_strays(r);
	free(r);
}

static void test_static_program(void **state)
{
	(void)state;
	needs_qemu();
	if (access(victim_static, X_OK) < 0)
		skip();
	struct run *r = RUN(victim_static, "maps");
	assert_int_equal(r->outcome.exit_status, 0);
	no_strays(r);
	free(r);
}

static void test_references_are_counted(void **state)
{
	(void)state;
	needs_qemu();
	struct run *first = RUN(victim, "count");
	uint64_t page = printed(first, "page ");
	struct run *r = RUN_WATCHING(page, victim, "count");
	assert_int_equal(r->watched[0][ACCESS_STORE], STORES);
	assert_int_equal(r->watched[0][ACCESS_LOAD], STORES / 2);
	free(first);
	free(r);
}

static void test_crossing_touches_both_pages(void **state)
{
	(void)state;
	needs_qemu();
	struct run *first = RUN(victim, "cross"), *r = RUN_WATCHING(printed(first, "pages "), victim, "cross");
	assert_int_equal(r->watched[0][ACCESS_STORE], 100);
	assert_int_equal(r->watched[1][ACCESS_STORE], 100);
	free(first);
	free(r);
}

static void test_repeated_instruction(void **state)
{
	(void)state;
	needs_qemu();
	struct run *first = RUN(victim, "repeat"), *r = RUN_WATCHING(printed(first, "pages "), victim, "repeat");
	assert_int_equal(r->watched[0][ACCESS_LOAD], 512);
	assert_int_equal(r->watched[1][ACCESS_STORE], 512);
	free(first);
	free(r);
}

static void test_mapping_calls(void **state)
{
	(void)state;
	needs_qemu();
	struct run *r = RUN(victim, "maps");
	assert_int_equal(r->outcome.exit_status, 0);
	const struct trace_event *moved = &find(r, 1, TRACE_REMAP, 0)->event, *advice = &find(r, 1, TRACE_ADVISE, 0)->event;
	assert_int_equal(moved->to.v, printed(r, "moved "));
	assert_int_equal(moved->to_bytes, 64 * PAGE);
	assert_int_equal(advice->count, 4);
	bool shared_file = false;
	for (unsigned i = 0; i < r->n_seen; i++)
		shared_file |= r->seen[i].event.kind == TRACE_MAP && r->seen[i].event.start.v == printed(r, "file ") &&
		               r->seen[i].event.flags & TRACE_MAP_SHARED && ends_with(r->seen[i].name, "/victim") &&
		               r->seen[i].event.file_bytes > 0;
	assert_true(shared_file);
	no_strays(r);
	free(r);
}

static void test_calls_touch_memory(void **state)
{
	(void)state;
	needs_qemu();
	struct run *first = RUN(victim, "calls");
	assert_int_equal(first->outcome.exit_status, 0);
	struct run *in = RUN_WATCHING(printed(first, "in "), victim, "calls");
	struct run *out = RUN_WATCHING(printed(first, "out "), victim, "calls");
	assert_int_equal(in->watched[0][ACCESS_STORE], 2); /* read and recv */
	assert_int_equal(in->watched[2][ACCESS_STORE], 1); /* read */
	assert_int_equal(out->watched[0][ACCESS_LOAD], 2); /* write and writev */
	assert_int_equal(out->watched[1][ACCESS_LOAD], 1);
	assert_int_equal(out->watched[2][ACCESS_LOAD], 2);
	free(first);
	free(in);
	free(out);
}

/* ---- the stream is what it should be ---- */

static void test_fast_way_is_the_plain_way(void **state)
{
	(void)state;
	needs_qemu();
	static char *const program[][4] = {
		{ victim, "count" }, { victim, "cross" }, { victim, "repeat" }, { victim, "maps" }, { victim, "calls" },
		{ "/bin/ls", "-l", victim }, { "/bin/sort", victim }, { "/usr/bin/od", "-x", victim },
	};
	for (unsigned i = 0; i < sizeof(program) / sizeof(program[0]); i++) {
		struct capture_options fast = { .seed = 7 }, plain = { .seed = 7, .plain = true };
		struct run *a = run_with(&fast, 0, program[i]), *b = run_with(&plain, 0, program[i]);
		if (a->hash != b->hash || a->n_refs != b->n_refs)
			fail_msg("%s %s: the fast way gives another stream than the plain way", program[i][0], program[i][1]);
		free(a);
		free(b);
	}
}

static void test_two_runs_are_the_same(void **state)
{
	(void)state;
	needs_qemu();
	struct run *a = RUN(victim, "random"), *b = RUN(victim, "random");
	struct run *c = run_with(&(struct capture_options){ .seed = 8 }, 0, (char *[]){ victim, "random", NULL });
	assert_int_equal(a->hash, b->hash);
	assert_string_equal(a->output, b->output);
	assert_string_not_equal(a->output, c->output);
	struct run *d = run_with(&(struct capture_options){ .seed = 7, .keep_random = true }, 0, (char *[]){ victim, "random", NULL });
	assert_string_not_equal(a->output, d->output);
	free(a);
	free(b);
	free(c);
	free(d);
}

static void test_slow_reader_loses_nothing(void **state)
{
	(void)state;
	needs_qemu();
	struct run *r = RUN("/bin/sort", victim);
	struct trace *t;
	struct trace_item item;
	uint64_t n = 0;
	int kept = output_redirect();
	enum pw_err err = capture_open(&(struct capture_options){ .seed = 7 }, (char *[]){ "/bin/sort", victim, NULL }, &t, NULL);
	for (trace_next(t, &item); item.kind != TRACE_ITEM_END; trace_next(t, &item)) {
		n += item.kind == TRACE_ITEM_REFS ? item.n_refs : 0;
		usleep(n % 3 == 0 ? 2000 : 0);
	}
	output_return(kept);
	assert_int_equal(err, PW_OK);
	trace_close(t);
	assert_int_equal(n, r->n_refs);
	free(r);
}

/* ---- threads ---- */

static void test_threads_have_their_references(void **state)
{
	(void)state;
	needs_qemu();
	struct run *first = RUN(victim, "threads"), *r = RUN_WATCHING(printed(first, "pages "), victim, "threads");
	assert_int_equal(printed(r, "pages "), printed(first, "pages "));
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(r->watched[i][ACCESS_STORE], STORES);
		assert_int_equal(r->watched_tid[i], 2 + i);
		find(r, 1, TRACE_THREAD, i);
		find(r, 1, TRACE_THREAD_EXIT, i);
	}
	no_strays(r);
	free(first);
	free(r);
}

static void test_threads_and_mappings_are_in_order(void **state)
{
	(void)state;
	needs_qemu();
	struct run *r = RUN(victim, "churn");
	assert_int_equal(r->outcome.exit_status, 0);
	no_strays(r);
	free(r);
}

/* ---- processes ---- */

static void test_forks(void **state)
{
	(void)state;
	needs_qemu();
	struct run *r = RUN(victim, "forks");
	assert_int_equal(r->n_processes, 5);
	assert_int_equal(r->outcome.exit_status, 5);
	assert_int_equal(r->process[1].exit_status, 10);
	assert_int_equal(r->process[2].exit_status, 11);
	assert_int_equal(r->process[3].signal, SIGKILL);
	assert_int_equal(r->process[4].signal, SIGTERM);
	for (uint32_t pid = 2; pid <= 5; pid++) {
		const struct seen *fork = find(r, 1, TRACE_FORK, pid - 2), *born = find(r, pid, TRACE_PROCESS, 0);
		assert_int_equal(fork->event.other, pid);
		assert_int_equal(born->event.other, 1);
		assert_true(fork < born && born < find(r, pid, TRACE_EXIT, 0));
	}
	no_strays(r);
	free(r);
}

static void write_script(const char *name, const char *text, char *path)
{
	snprintf(path, PATH_MAX + 16, "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	fputs(text, f);
	fchmod(fileno(f), 0755);
	fclose(f);
}

static void test_exec_is_followed(void **state)
{
	(void)state;
	needs_qemu();
	struct run *r = RUN(victim, "exec", victim, "arguments", "x");
	assert_non_null(strstr(r->output, "[arguments][x]\n"));
	assert_true(find(r, 1, TRACE_EXEC, 1) > find(r, 1, TRACE_EXEC, 0));
	assert_int_equal(r->n_processes, 1);
	no_strays(r);
	free(r);
	r = RUN(victim, "self");
	assert_string_equal(r->output, "[renamed][arguments][a b][]\n");
	assert_true(ends_with(find(r, 1, TRACE_EXEC, 1)->name, "/victim"));
	free(r);
	r = RUN(victim, "descriptor", victim, "arguments");
	assert_non_null(strstr(r->output, "[arguments]\n"));
	find(r, 1, TRACE_EXEC, 1);
	free(r);
}

static void test_exec_that_fails(void **state)
{
	(void)state;
	needs_qemu();
	struct run *r = RUN(victim, "exec", "/nonexistent/program");
	assert_int_equal(r->outcome.exit_status, 93);
	no_strays(r);
	free(r);
}

static void test_scripts_and_pipelines(void **state)
{
	(void)state;
	needs_qemu();
	char inner[PATH_MAX + 16], outer[PATH_MAX + 16], text[PATH_MAX + 64];
	write_script("inner", "#!/bin/sh -e\necho \"$#\" \"$1\" \"$2\" \"$3\"\nexit 6\n", inner);
	snprintf(text, sizeof(text), "#! %s  one two \n", inner);
	write_script("outer", text, outer);
	struct run *r = RUN(outer, "three");
	snprintf(text, sizeof(text), "3 one two %s three\n", outer);
	assert_string_equal(r->output, text);
	assert_int_equal(r->outcome.exit_status, 6);
	free(r);
	r = RUN("sh", "-c", "printf 'b\\na\\nb\\n' | sort | uniq -c; exit 4");
	assert_string_equal(r->output, "      1 a\n      2 b\n");
	assert_int_equal(r->outcome.exit_status, 4);
	assert_true(r->n_processes >= 3);
	no_strays(r);
	free(r);
}

static void test_environment_is_untouched(void **state)
{
	(void)state;
	needs_qemu();
	struct run *r = RUN("env", "-i", "B=2", "A=1", "LONG=a,b c=d", "EMPTY=", "env");
	assert_string_equal(r->output, "B=2\nA=1\nLONG=a,b c=d\nEMPTY=\n");
	free(r);
}

/* ---- ends ---- */

static void test_killed_program(void **state)
{
	(void)state;
	needs_qemu();
	struct trace *t;
	struct trace_item item;
	struct capture_outcome outcome;
	const struct capture_process *process;
	uint64_t n = 0;
	int kept = output_redirect();
	enum pw_err err = capture_open(&(struct capture_options){ .seed = 7 }, (char *[]){ victim, "spin", NULL }, &t, NULL);
	for (trace_next(t, &item); item.kind != TRACE_ITEM_END; trace_next(t, &item)) {
		n += item.kind == TRACE_ITEM_REFS ? item.n_refs : 0;
		if (n > 1000000)
			capture_signal(t, SIGKILL);
	}
	output_return(kept);
	assert_int_equal(err, PW_OK);
	assert_int_equal(trace_error(t, NULL), PW_OK);
	capture_outcome(t, &outcome);
	assert_int_equal(outcome.signal, SIGKILL);
	assert_int_equal(capture_processes(t, &process), 1);
	assert_int_equal(process[0].signal, SIGKILL);
	trace_close(t);
}

/* Is there such a process, other than as a zombie? */
static bool lives(pid_t pid)
{
	char path[64], text[512] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *f = fopen(path, "r");
	if (!f)
		return false;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	const char *p = n ? strrchr(text, ')') : NULL;
	return p && p[2] != 'Z';
}

static pid_t host_pid_of(struct trace *t)
{
	const struct capture_process *process;
	struct trace_item item;
	while (capture_processes(t, &process) == 0 || process[0].host_pid == 0)
		trace_next(t, &item);
	return process[0].host_pid;
}

static void test_closing_ends_the_program(void **state)
{
	(void)state;
	needs_qemu();
	struct trace *t;
	int kept = output_redirect();
	enum pw_err err = capture_open(&(struct capture_options){ .seed = 7 }, (char *[]){ victim, "spin", NULL }, &t, NULL);
	pid_t pid = host_pid_of(t);
	trace_close(t);
	output_return(kept);
	assert_int_equal(err, PW_OK);
	assert_false(lives(pid));
}

/* The reader is killed: so must be the program. */
static void test_program_dies_with_the_reader(void **state)
{
	(void)state;
	needs_qemu();
	int pipe_fd[2];
	assert_int_equal(pipe(pipe_fd), 0);
	int kept = output_redirect();
	pid_t reader = fork(), pid = 0;
	if (reader == 0) {
		struct trace *t;
		if (capture_open(&(struct capture_options){ .seed = 7 }, (char *[]){ victim, "spin", NULL }, &t, NULL) != PW_OK)
			_exit(1);
		pid = host_pid_of(t);
		_exit(write(pipe_fd[1], &pid, sizeof(pid)) != sizeof(pid));
	}
	close(pipe_fd[1]);
	ssize_t n = read(pipe_fd[0], &pid, sizeof(pid));
	close(pipe_fd[0]);
	waitpid(reader, NULL, 0);
	output_return(kept);
	assert_int_equal(n, sizeof(pid));
	for (unsigned i = 0; i < 500 && lives(pid); i++)
		usleep(10000);
	assert_false(lives(pid));
}

/* ---- what cannot be started ---- */

static void refuses(char *program, enum pw_err expected, const char *word)
{
	struct trace *t = (struct trace *)1;
	struct pw_why why = { "" };
	enum pw_err err = capture_open(&(struct capture_options){ .seed = 7 }, (char *[]){ program, NULL }, &t, &why);
	assert_int_equal(err, expected);
	assert_null(t);
	if (!strstr(why.text, word))
		fail_msg("'%s' does not say '%s'", why.text, word);
}

static void test_refusals(void **state)
{
	(void)state;
	char path[PATH_MAX + 16];
	refuses("no-such-program-anywhere", PW_NOTFOUND, "no-such-program-anywhere");
	refuses("/nonexistent/program", PW_NOTFOUND, "/nonexistent/program");
	refuses("", PW_NOTFOUND, "empty");
	refuses(folder, PW_ACCESS, "not an executable");
	write_script("plain", "no magic here\n", path);
	refuses(path, PW_ACCESS, "ELF");
	write_script("orphan", "#!/nonexistent/interpreter\n", path);
	refuses(path, PW_NOTFOUND, "/nonexistent/interpreter");
	write_script("endless", "", path);
	char text[PATH_MAX + 32];
	snprintf(text, sizeof(text), "#!%s\n", path);
	write_script("endless", text, path);
	refuses(path, PW_ACCESS, path);
	assert_int_equal(capture_exit_status(PW_NOTFOUND), 127);
	assert_int_equal(capture_exit_status(PW_ACCESS), 126);
	assert_int_equal(capture_exit_status(PW_UNSUPPORTED), 125);
}

static void test_missing_plugin(void **state)
{
	(void)state;
	needs_qemu();
	struct trace *t;
	struct pw_why why;
	struct capture_options options = { .plugin = "/nonexistent/plugin.so" };
	assert_int_equal(capture_open(&options, (char *[]){ victim, NULL }, &t, &why), PW_UNSUPPORTED);
	assert_non_null(strstr(why.text, "/nonexistent/plugin.so"));
}

/* ---- setting up ---- */

/* Runs a program to its end, silently. */
static bool finished_well(char *const argv[])
{
	posix_spawn_file_actions_t quiet;
	pid_t pid;
	int status = -1;
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ) == 0)
		waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&quiet);
	return status == 0;
}

static bool compile(char *flag, char *to)
{
	char *const command[] = { "cc", "-O1", "-w", "-D_GNU_SOURCE", "-pthread", "-o", to, "test/capture/victim.c", flag, NULL };
	return finished_well(command);
}

static int set_up(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	snprintf(folder, sizeof(folder), "%s/pageworks-capture.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(folder))
		return -1;
	snprintf(victim, sizeof(victim), "%s/victim", folder);
	snprintf(victim_static, sizeof(victim_static), "%s/victim_static", folder);
	snprintf(output_path, sizeof(output_path), "%s/output", folder);
	bool qemu = finished_well((char *const[]){ "qemu-x86_64", "--version", NULL }), compiler = compile(NULL, victim);
	can_capture = qemu && compiler;
	if (can_capture)
		compile("-static", victim_static);
	else
		print_message("# SKIP: %s\n", qemu ? "there is no C compiler" : "qemu-x86_64 is not installed (package qemu-user)");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return finished_well((char *const[]){ "rm", "-rf", folder, NULL }) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_missing_plugin),
		cmocka_unit_test(test_events_of_a_program),
		cmocka_unit_test(test_static_program),
		cmocka_unit_test(test_references_are_counted),
		cmocka_unit_test(test_crossing_touches_both_pages),
		cmocka_unit_test(test_repeated_instruction),
		cmocka_unit_test(test_mapping_calls),
		cmocka_unit_test(test_calls_touch_memory),
		cmocka_unit_test(test_fast_way_is_the_plain_way),
		cmocka_unit_test(test_two_runs_are_the_same),
		cmocka_unit_test(test_slow_reader_loses_nothing),
		cmocka_unit_test(test_threads_have_their_references),
		cmocka_unit_test(test_threads_and_mappings_are_in_order),
		cmocka_unit_test(test_forks),
		cmocka_unit_test(test_exec_is_followed),
		cmocka_unit_test(test_exec_that_fails),
		cmocka_unit_test(test_scripts_and_pipelines),
		cmocka_unit_test(test_environment_is_untouched),
		cmocka_unit_test(test_killed_program),
		cmocka_unit_test(test_closing_ends_the_program),
		cmocka_unit_test(test_program_dies_with_the_reader),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
