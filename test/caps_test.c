/* caps_test.c - the probes of this computer: they answer, they change nothing, and they believe no call that is forbidden. */
#include "../src/host/caps.h"
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void every_capability_is_described(void **state)
{
	(void)state;
	for (int i = 0; i < CAPS; i++) {
		enum cap c = (enum cap)i, found;
		assert_true(cap_find(cap_name(c), &found) && found == c);
		assert_true(strlen(cap_name(c)) <= 18);
		const char *text[] = { cap_title(c), cap_lost(c), cap_enable(c) };
		for (int k = 0; k < 3; k++)
			assert_true(strlen(text[k]) > 3 && !strchr(text[k], '\n') && text[k][strlen(text[k]) - 1] != '.');
	}
	enum cap c;
	assert_false(cap_find("telepathy", &c));
}

static unsigned open_files(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void every_probe_answers_and_changes_nothing(void **state)
{
	(void)state;
	unsigned files = open_files();
	int persona = personality(0xffffffff);
	for (int i = 0; i < CAPS; i++) {
		struct cap_result r;
		cap_probe((enum cap)i, &r);
		print_message("# %s %s: %s\n", cap_answer_word(r.answer), cap_name((enum cap)i), r.found);
		assert_true(r.answer <= CAP_UNTOLD && *r.found && !strchr(r.found, '\n') && memchr(r.found, 0, sizeof r.found));
	}
	assert_int_equal(open_files(), files);
	assert_int_equal(personality(0xffffffff), persona);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* ---- a sandbox */

/* In a child: nobody may make this call; action is what happens to whoever does.  => the answer of a probe there. */
static bool probe_without(int call, uint32_t action, enum cap c, struct cap_result *ret)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
	int fd[2], status;
	assert_int_equal(pipe(fd), 0);
	pid_t child = fork();
	if (child == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
			_exit(77);
		struct cap_result r;
		cap_probe(c, &r);
		_exit(write(fd[1], &r, sizeof r) != (ssize_t)sizeof r);
	}
	close(fd[1]);
	bool told = read(fd[0], ret, sizeof *ret) == (ssize_t)sizeof *ret;
	close(fd[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return told && status == 0;
}

static void what_a_sandbox_forbids_is_not_there(void **state)
{
	(void)state;
	static const struct { enum cap c; int call; } forbidden[] = {
		{ CAP_userfaultfd, SYS_userfaultfd }, { CAP_uffd_wp, SYS_userfaultfd }, { CAP_perf_faults, SYS_perf_event_open },
		{ CAP_io_uring, SYS_io_uring_setup }, { CAP_ptrace, SYS_process_vm_readv }, { CAP_fixed_addresses, SYS_personality },
		{ CAP_madv_populate, SYS_madvise }, { CAP_huge_pool, SYS_memfd_create },
	};
	for (unsigned i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
		struct cap_result r;
		if (!probe_without(forbidden[i].call, SECCOMP_RET_ERRNO | EPERM, forbidden[i].c, &r)) {
			print_message("# SKIP: no seccomp here\n");
			skip();
		}
		if (r.answer != CAP_NO)
			fail_msg("%s: %s, %s", cap_name(forbidden[i].c), cap_answer_word(r.answer), r.found);
		if (!probe_without(forbidden[i].call, SECCOMP_RET_KILL_PROCESS, forbidden[i].c, &r))
			skip();
		if (r.answer != CAP_NO || !strstr(r.found, "sandbox"))
			fail_msg("%s when killed: %s, %s", cap_name(forbidden[i].c), cap_answer_word(r.answer), r.found);
	}
}

/* A call that says yes and does nothing is what "broken" is for. */
static void a_call_that_does_nothing_is_broken(void **state)
{
	(void)state;
	static const struct { enum cap c; int call; } hollow[] = {
		{ CAP_madv_populate, SYS_madvise }, { CAP_madv_guard, SYS_madvise }, { CAP_cachestat, 451 },
	};
	for (unsigned i = 0; i < sizeof hollow / sizeof *hollow; i++) {
		struct cap_result r;
		if (!probe_without(hollow[i].call, SECCOMP_RET_ERRNO | 0, hollow[i].c, &r))
			skip();
		if (r.answer == CAP_UNTOLD)
			continue;
		if (r.answer != CAP_BROKEN)
			fail_msg("%s: %s, %s", cap_name(hollow[i].c), cap_answer_word(r.answer), r.found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_capability_is_described),
		cmocka_unit_test(every_probe_answers_and_changes_nothing),
		cmocka_unit_test(what_a_sandbox_forbids_is_not_there),
		cmocka_unit_test(a_call_that_does_nothing_is_broken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
