/* capture.h - a running program as a trace.
 *
 * capture_open starts a program under user-mode QEMU with the plugin of src/capture inside, and gives the stream of what it does
 * to memory: every load, store and (by block of code) fetch, what its system calls read and write, and the events of its address
 * spaces.  Threads, forked children and programs started by exec are in the same stream; pids count 1, 2, 3... in the order in
 * which processes appear, tids likewise within each process, so that a program without threads and without children gives the
 * same stream each time.  The program's standard input, output and error are pageworks' own and are not touched.
 *
 * The stream ends when every process of it has ended.  trace_next() waits when the program has nothing to say. */
#pragma once
#include "trace.h"
#include <sys/resource.h>
#include <sys/types.h>

struct capture_options {
	uint64_t seed;        /* of the program's randomness as far as QEMU gives it (AT_RANDOM) */
	const char *plugin;   /* the plugin file; NULL: pageworks-capture.so beside the executable, one folder above it (for tests),
	                       * then in PW_LIBEXECDIR */
	bool take_signals;    /* while open: SIGINT and SIGQUIT are left to the program (a terminal sends them to it as well),
	                       * SIGTERM and SIGHUP are passed on to it.  The previous dispositions come back at trace_close. */
	bool keep_random;     /* leave address randomisation and the kernel's random numbers as they are */
	bool plain;           /* for tests: record each access by itself, which is slower and must give the same stream */
};

/* How the first program ended, as the parent of a process sees it. */
struct capture_outcome {
	bool ended;           /* it has; otherwise the other members are zero */
	int exit_status;      /* when signal is 0 */
	int signal;           /* the signal that killed it, or 0 */
	double wall_s;        /* from start to end */
	struct rusage rusage; /* of QEMU and the program together: not what the program costs natively */
};

struct capture_process {
	uint32_t pid, parent; /* as in the stream; parent 0: the first one */
	pid_t host_pid;
	const char *command;  /* path of the image it ran last: lives as long as the trace */
	bool ended;
	int exit_status, signal;
	uint64_t refs;
};

/* Starts argv[0] (looked up in PATH as a shell does) with the arguments argv, NULL-terminated, and the environment of this process.
 * => on error *ret is NULL, nothing runs, and why explains:
 *      PW_NOTFOUND     there is no such program                                  (exit status 127)
 *      PW_ACCESS       it is not executable, or its format is none we can run    (exit status 126)
 *      PW_UNSUPPORTED  QEMU, or the plugin, is not there: why names the package  (exit status 125)
 *      PW_CHILD, PW_IO, PW_NOMEM, PW_INVALID                                     (exit status 125)
 * => *ret is a trace as any other, closed by trace_close(), which ends the programs that still run (SIGKILL).  They also end when
 *    this process does, or the thread that called. */
must_use enum pw_err capture_open(const struct capture_options *options, char *const argv[], struct trace **ret,
                                  struct pw_why *why);

/* Is this trace a running program?  The calls below are only for those that are. */
bool capture_is(const struct trace *t);

/* => complete once trace_next() has given TRACE_ITEM_END. */
void capture_outcome(const struct trace *t, struct capture_outcome *ret);

/* The processes seen so far, in order of pid: *ret lives until the next trace_next().  Returns how many. */
unsigned capture_processes(const struct trace *t, const struct capture_process **ret);

/* Sends a signal to the first program.  Async-signal-safe.  => does nothing when it has ended. */
void capture_signal(const struct trace *t, int signal);

/* The exit status by which a command reports that capture_open failed so: 125, 126 or 127. */
int capture_exit_status(enum pw_err err);
