/* call.c - system calls.
 *
 * What a call reads is recorded before it, what it writes when it has succeeded, one reference for each page that is touched: the
 * kernel copies whole ranges, and page by page is how it meets faults.  The rules are a table (calls.h) that is spread out by number
 * at the start, so that finding a call's rule is one step.
 *
 * getrandom (and a read of /dev/urandom) is answered from the seed, because two runs must give the same stream, and programs order
 * their hash tables by it.  Keys that a program makes are then worth nothing: the manual page says so, and launch.keep_random
 * turns it off. */
#include "call.h"
#include "calls.h"
#include "follow.h"
#include "guest.h"
#include "lane.h"
#include "space.h"
#include <sched.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

enum touch_kind {
	TOUCH_NONE, TOUCH_STR, TOUCH_IN, TOUCH_IN_ARG, TOUCH_IN_N, TOUCH_VEC_IN, TOUCH_MSG_IN, TOUCH_SET,
	TOUCH_OUT, TOUCH_OUT_RET, TOUCH_OUT_ARG, TOUCH_OUT_N, TOUCH_OUT_RET_N, TOUCH_OUT_POINTED, TOUCH_VEC_OUT, TOUCH_MSG_OUT,
};

struct touch {
	uint8_t kind, arg, arg2;
	uint16_t bytes;
};

struct call {
	struct touch touch[3];
	uint8_t special;
	uint8_t space; /* enum space_call */
};

enum { CALL_NUMBERS = 512, CALL_PAGE = 4096, CALL_PATH_MAX = 4096, CALL_VECS = 1024 };

enum call_special {
	CALL_PLAIN,
#define X(what, x86, generic) CALL_##what,
	CALL_SPECIAL_LIST(X)
#undef X
};

#define STR(a)         { TOUCH_STR, a, 0, 0 }
#define IN(a, n)       { TOUCH_IN, a, 0, n }
#define IN_A(a, b)     { TOUCH_IN_ARG, a, b, 0 }
#define IN_N(a, b, n)  { TOUCH_IN_N, a, b, n }
#define VEC_IN(a, b)   { TOUCH_VEC_IN, a, b, 0 }
#define MSG_IN(a)      { TOUCH_MSG_IN, a, 0, 0 }
#define SET(a)         { TOUCH_SET, a, 0, 0 }
#define OUT(a, n)      { TOUCH_OUT, a, 0, n }
#define OUT_R(a)       { TOUCH_OUT_RET, a, 0, 0 }
#define OUT_A(a, b)    { TOUCH_OUT_ARG, a, b, 0 }
#define OUT_N(a, b, n) { TOUCH_OUT_N, a, b, n }
#define OUT_RN(a, n, m) { TOUCH_OUT_RET_N, a, m, n }
#define OUT_P(a, b)    { TOUCH_OUT_POINTED, a, b, 0 }
#define VEC_OUT(a, b)  { TOUCH_VEC_OUT, a, b, 0 }
#define MSG_OUT(a)     { TOUCH_MSG_OUT, a, 0, 0 }

static const struct {
	int16_t x86, generic;
	struct touch touch[3];
} call_list[] = {
#define X(name, x86, generic, ...) { x86, generic, { __VA_ARGS__ } },
	CALL_LIST(X)
#undef X
};

static const struct {
	int16_t x86, generic;
	uint8_t special;
} special_list[] = {
#define X(what, x86, generic) { x86, generic, CALL_##what },
	CALL_SPECIAL_LIST(X)
#undef X
};

static const uint8_t special_space[] = {
	[CALL_MMAP] = SPACE_MMAP, [CALL_MUNMAP] = SPACE_MUNMAP, [CALL_MPROTECT] = SPACE_MPROTECT,
	[CALL_PKEY_MPROTECT] = SPACE_MPROTECT, [CALL_BRK] = SPACE_BRK, [CALL_MREMAP] = SPACE_MREMAP,
	[CALL_MADVISE] = SPACE_MADVISE, [CALL_SHMAT] = SPACE_SHMAT, [CALL_SHMDT] = SPACE_SHMDT, [CALL_GETRANDOM] = SPACE_NONE,
};

static struct call table[CALL_NUMBERS];
static bool target_is_x86;
static struct launch launch;
static uint64_t last_arg[RING_LANES][6];
static __thread unsigned this_vcpu;
static bool exiting; /* an exit call was seen: the process ends because it wants to */
static uint64_t exit_status;
static uint64_t random_state;

static struct call *call_of(int64_t number)
{
	static struct call none;
	return number >= 0 && number < CALL_NUMBERS ? &table[number] : &none;
}

static void fork_prepare(void) { lane_fork_prepare(this_vcpu); }

static void fork_child(void)
{
	space_fork_child();
	lane_fork_child(this_vcpu);
	random_state += 0x632be59bd9b4e019ull * (lane_space_index() + 1);
}

bool call_init(const struct call_setup *setup)
{
	bool x86 = strcmp(setup->target, "x86_64") == 0;
	if (!x86 && strcmp(setup->target, "aarch64") != 0 && strcmp(setup->target, "riscv64") != 0)
		return false;
	target_is_x86 = x86;
	launch = setup->launch;
	random_state = launch.seed;
	for (size_t i = 0; i < sizeof(call_list) / sizeof(call_list[0]); i++) {
		int number = x86 ? call_list[i].x86 : call_list[i].generic;
		if (number != NO)
			memcpy(table[number].touch, call_list[i].touch, sizeof(table[number].touch));
	}
	for (size_t i = 0; i < sizeof(special_list) / sizeof(special_list[0]); i++) {
		int number = x86 ? special_list[i].x86 : special_list[i].generic;
		if (number != NO) {
			table[number].special = special_list[i].special;
			table[number].space = special_list[i].special < sizeof(special_space) ?
			                              special_space[special_list[i].special] : SPACE_NONE;
		}
	}
	pthread_atfork(fork_prepare, NULL, fork_child);
	return true;
}

/* ---- references ---- */

static void touch_range(unsigned vcpu, uint64_t va, uint64_t bytes, enum access_kind kind)
{
	struct ring_lane *lane = lane_of(vcpu);
	if (va == 0 || bytes == 0 || va + bytes < va || bytes > 1ull << 40)
		return;
	lane_put(lane, ref_make(vaddr(va), kind).word);
	for (uint64_t page = va / CALL_PAGE + 1; page <= (va + bytes - 1) / CALL_PAGE; page++)
		lane_put(lane, ref_make(vaddr(page * CALL_PAGE), kind).word);
}

static void touch_string(unsigned vcpu, uint64_t va)
{
	int64_t length = va ? guest_string_length(va, CALL_PATH_MAX) : -1;
	if (length >= 0)
		touch_range(vcpu, va, length + 1, ACCESS_LOAD);
}

/* The buffers of an array of iovecs, up to a total of so many bytes. */
static void touch_vector(unsigned vcpu, uint64_t va, uint64_t n, uint64_t bytes, enum access_kind kind)
{
	if (n > CALL_VECS)
		return;
	if (kind == ACCESS_LOAD)
		touch_range(vcpu, va, n * 16, ACCESS_LOAD);
	for (uint64_t i = 0; i < n && bytes; i++) {
		uint64_t vec[2]; /* base, length */
		if (!guest_read(va + i * 16, vec, sizeof(vec)))
			return;
		uint64_t part = vec[1] < bytes ? vec[1] : bytes;
		touch_range(vcpu, vec[0], part, kind);
		bytes -= part;
	}
}

/* A msghdr: name, its length, iovecs, their number, control, its length, flags. */
static void touch_message(unsigned vcpu, uint64_t va, uint64_t bytes, enum access_kind kind)
{
	uint64_t msg[7];
	if (!va || !guest_read(va, msg, sizeof(msg)))
		return;
	touch_range(vcpu, va, sizeof(msg), ACCESS_LOAD);
	touch_range(vcpu, msg[0], (uint32_t)msg[1], kind);
	touch_vector(vcpu, msg[2], msg[3], bytes, kind);
	touch_range(vcpu, msg[4], msg[5], kind);
}

static void touch_before(unsigned vcpu, const struct touch *t, const uint64_t arg[6])
{
	switch (t->kind) {
	case TOUCH_STR: touch_string(vcpu, arg[t->arg]); break;
	case TOUCH_IN: touch_range(vcpu, arg[t->arg], t->bytes, ACCESS_LOAD); break;
	case TOUCH_IN_ARG: touch_range(vcpu, arg[t->arg], arg[t->arg2], ACCESS_LOAD); break;
	case TOUCH_IN_N: touch_range(vcpu, arg[t->arg], (uint32_t)arg[t->arg2] * (uint64_t)t->bytes, ACCESS_LOAD); break;
	case TOUCH_VEC_IN: touch_vector(vcpu, arg[t->arg], arg[t->arg2], UINT64_MAX, ACCESS_LOAD); break;
	case TOUCH_MSG_IN: touch_message(vcpu, arg[t->arg], UINT64_MAX, ACCESS_LOAD); break;
	case TOUCH_SET: touch_range(vcpu, arg[t->arg], ((uint32_t)arg[0] + 63) / 64 * 8ull, ACCESS_LOAD); break;
	}
}

static void touch_pointed(unsigned vcpu, uint64_t va, uint64_t length_va)
{
	uint32_t length;
	if (va && length_va && guest_read(length_va, &length, sizeof(length))) {
		touch_range(vcpu, va, length, ACCESS_STORE);
		touch_range(vcpu, length_va, sizeof(length), ACCESS_STORE);
	}
}

static void touch_after(unsigned vcpu, const struct touch *t, const uint64_t arg[6], uint64_t ret)
{
	uint64_t va = arg[t->arg];
	switch (t->kind) {
	case TOUCH_OUT: touch_range(vcpu, va, t->bytes, ACCESS_STORE); break;
	case TOUCH_OUT_RET: touch_range(vcpu, va, ret, ACCESS_STORE); break;
	case TOUCH_OUT_ARG: touch_range(vcpu, va, arg[t->arg2], ACCESS_STORE); break;
	case TOUCH_OUT_N: touch_range(vcpu, va, (uint32_t)arg[t->arg2] * (uint64_t)t->bytes, ACCESS_STORE); break;
	case TOUCH_OUT_RET_N: touch_range(vcpu, va, ret * (target_is_x86 ? t->bytes : t->arg2), ACCESS_STORE); break;
	case TOUCH_OUT_POINTED: touch_pointed(vcpu, va, arg[t->arg2]); break;
	case TOUCH_VEC_OUT: touch_vector(vcpu, va, arg[t->arg2], ret, ACCESS_STORE); break;
	case TOUCH_MSG_OUT: touch_message(vcpu, va, ret, ACCESS_STORE); break;
	case TOUCH_SET: touch_range(vcpu, va, ((uint32_t)arg[0] + 63) / 64 * 8ull, ACCESS_STORE); break;
	}
}

/* ---- calls that are more ---- */

/* splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). */
static uint64_t random_word(void)
{
	uint64_t z = __atomic_add_fetch(&random_state, 0x9e3779b97f4a7c15ull, __ATOMIC_RELAXED);
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static void random_fill(uint64_t va, uint64_t bytes)
{
	uint64_t part[64];
	for (uint64_t done = 0; done < bytes; done += sizeof(part)) {
		uint64_t n = bytes - done < sizeof(part) ? bytes - done : sizeof(part);
		for (unsigned i = 0; i < (n + 7) / 8; i++)
			part[i] = random_word();
		guest_write(va + done, part, n);
	}
}

/* The kernel's random numbers, read as a file. */
static bool is_random_file(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && major(st.st_rdev) == 1 && (minor(st.st_rdev) == 8 || minor(st.st_rdev) == 9);
}

/* What a parent learns about a child that was killed, which cannot say it itself. */
static void waited(unsigned vcpu, uint64_t status_va, int64_t pid)
{
	uint32_t status;
	if (pid <= 0 || !status_va || !guest_read(status_va, &status, sizeof(status)))
		return;
	struct lane_records r;
	lane_records(&r, vcpu);
	struct ring_record *record = lane_record(&r, RING_RECORD_WAITED, NULL);
	record->other = pid;
	record->count = status;
	lane_send(&r);
}

static bool is_fork(const struct call *c, const uint64_t arg[6])
{
	return c->special == CALL_FORK || c->special == CALL_VFORK ||
	       (c->special == CALL_CLONE && (!(arg[0] & CLONE_VM) || arg[0] & CLONE_VFORK));
}

static void special_before(unsigned vcpu, const struct call *c, const uint64_t arg[6])
{
	switch (c->special) {
	case CALL_EXECVE:
		touch_string(vcpu, arg[0]);
		follow_exec(vcpu, &launch, &(struct follow){ .at = AT_FDCWD, .path = arg[0], .argv = arg[1], .envp = arg[2] });
		break;
	case CALL_EXECVEAT:
		touch_string(vcpu, arg[1]);
		follow_exec(vcpu, &launch, &(struct follow){ .at = (int)arg[0], .path = arg[1], .argv = arg[2], .envp = arg[3],
		                                             .flags = (int)arg[4] });
		break;
	case CALL_KILL:
	case CALL_TGKILL: lane_signal((int32_t)arg[0], arg[c->special == CALL_KILL ? 1 : 2] & 127); break;
	case CALL_TKILL: lane_signal(getpid(), arg[1] & 127); break; /* most likely */
	case CALL_EXIT:
	case CALL_EXIT_GROUP:
		exiting = true;
		exit_status = arg[0] & 255;
		break;
	}
}

static void special_after(unsigned vcpu, const struct call *c, const uint64_t arg[6], int64_t ret)
{
	if (is_fork(c, arg) && ret != 0)
		lane_fork_done(vcpu, ret);
	else if (c->special == CALL_WAIT4)
		waited(vcpu, arg[1], ret);
	else if (c->special == CALL_GETRANDOM && ret > 0 && !launch.keep_random)
		random_fill(arg[0], ret);
	else if (c->special == CALL_READ && ret > 0 && !launch.keep_random && is_random_file((int)arg[0]))
		random_fill(arg[1], ret);
}

void call_before(unsigned vcpu, int64_t number, const uint64_t arg[6])
{
	static __thread unsigned n;
	const struct call *c = call_of(number);
	this_vcpu = vcpu;
	if (++n % 64 == 0)
		lane_look();
	memcpy(last_arg[vcpu], arg, sizeof(last_arg[vcpu]));
	for (unsigned i = 0; i < 3 && c->touch[i].kind; i++)
		touch_before(vcpu, &c->touch[i], arg);
	if (c->space)
		space_call_begin();
	else if (c->special)
		special_before(vcpu, c, arg);
}

void call_after(unsigned vcpu, int64_t number, int64_t ret)
{
	const struct call *c = call_of(number);
	const uint64_t *arg = last_arg[vcpu];
	if (ret >= 0)
		for (unsigned i = 0; i < 3 && c->touch[i].kind; i++)
			touch_after(vcpu, &c->touch[i], arg, ret);
	if (c->space)
		space_call_end(vcpu, c->space, arg, ret);
	else if (c->special)
		special_after(vcpu, c, arg, ret);
}

void call_exit(void)
{
	if (!exiting)
		return;
	struct lane_records r;
	lane_records(&r, this_vcpu);
	lane_record(&r, TRACE_EXIT, NULL)->count = exit_status;
	lane_send(&r);
}
