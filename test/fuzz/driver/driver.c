/* driver.c - feeds a fuzz target: a main() for every file test/fuzz/NAME.c that defines fuzz_one().
 *
 * Problem: gcc has no fuzzing engine, and the project builds with nothing but gcc; yet every reader must survive any bytes.
 * Idea: mutate known good inputs.  Seeds come from the target itself (fuzz_seed(), when it defines one) and from the files
 * named on the command line; each run takes one, sometimes splices it with another, and damages it in a few places.  Everything
 * follows from -seed, so a finding is reproduced by its number, and the input that ended the process is also written to a file.
 *
 * 1. Run i of seed s is the same input always, whatever ran before it: the generator is started afresh for each run.
 * 2. The input handed to the target is an exact allocation, so that an address sanitizer sees the first byte read too many.
 * 3. A run that takes longer than LIMIT_SECONDS is a finding like a crash.
 * Rejected: coverage feedback.  It needs clang or afl; the interface is close enough to libFuzzer's that a target can be handed
 * to it by renaming one function. */
#include "../../../src/base/mem.h"
#include "../../../src/base/rng.h"
#include "fuzz.h"
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


enum { INPUT_MAX = 1 << 16, SEEDS_MAX = 512, LIMIT_SECONDS = 20 };

struct input {
	uint8_t *bytes;
	size_t size;
};

static struct input seeds[SEEDS_MAX];
static unsigned n_seeds;
static struct input current;
static uint64_t seed = 1, run_number;
static const char *target;

__attribute__((weak)) size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	(void)i, (void)bytes, (void)max;
	return 0;
}

/* Writes the input that is being run to NAME.crash in FUZZ_FINDINGS or the current folder.  Async-signal-safe. */
static void finding_save(void)
{
	static char path[512];
	const char *dir = getenv("FUZZ_FINDINGS");
	size_t n = 0;
	for (const char *part[] = { dir ? dir : ".", "/", target, ".crash", NULL }, **p = part; *p; p++) {
		for (const char *c = *p; *c && n < sizeof path - 1; c++)
			path[n++] = *c;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	if (write(fd, current.bytes, current.size) == (ssize_t)current.size) {
		static const char text[] = "the input that did it is in ";
		if (write(2, text, sizeof text - 1) + write(2, path, n) + write(2, "\n", 1) < 0)
			_exit(99);
	}
	close(fd);
}

static void finding_announce(const char *what)
{
	char line[200];
	int n = snprintf(line, sizeof line, "%s: %s: -seed=%llu -first=%llu -runs=1\n", target, what, (unsigned long long)seed,
	                 (unsigned long long)run_number);
	if (write(2, line, (size_t)n) < 0)
		_exit(99);
	finding_save();
}

static void on_signal(int number)
{
	finding_announce(number == SIGALRM ? "no end in sight" : "ended by a signal");
	signal(number, SIG_DFL);
	raise(number);
}

static void on_sanitizer_death(void) { finding_announce("the sanitizer ended it"); }
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static void seed_add(const uint8_t *bytes, size_t size)
{
	if (n_seeds == SEEDS_MAX || size > INPUT_MAX)
		return;
	uint8_t *copy = mem_alloc(size + !size);
	if (!copy)
		return;
	memcpy(copy, bytes, size);
	seeds[n_seeds++] = (struct input){ copy, size };
}

static void seeds_gather(void)
{
	uint8_t *room = mem_alloc(INPUT_MAX);
	for (unsigned i = 0; room && i < SEEDS_MAX; i++) {
		size_t n = fuzz_seed(i, room, INPUT_MAX);
		if (!n)
			break;
		seed_add(room, n);
	}
	mem_free(room);
	seed_add((const uint8_t *)"", 0);
}

static bool seed_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *room = mem_alloc(INPUT_MAX);
	if (f && room)
		seed_add(room, fread(room, 1, INPUT_MAX, f));
	mem_free(room);
	if (!f)
		fprintf(stderr, "%s: cannot read %s\n", target, path);
	else
		fclose(f);
	return f;
}

static void input_cut(struct input *in, size_t at, size_t n)
{
	memmove(in->bytes + at, in->bytes + at + n, in->size - at - n);
	in->size -= n;
}

static void input_insert(struct input *in, size_t at, const uint8_t *bytes, size_t n)
{
	if (in->size + n > INPUT_MAX)
		return;
	memmove(in->bytes + at + n, in->bytes + at, in->size - at);
	memcpy(in->bytes + at, bytes, n);
	in->size += n;
}

/* Numbers at which programs go wrong, in either width. */
static const uint64_t edges[] = { 0, 1, 7, 8, 127, 128, 255, 256, 4095, 4096, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff,
	0x7fffffffffffffff, 0x8000000000000000, UINT64_MAX };

static void mutate_number(struct input *in, struct rng *r, size_t at)
{
	size_t width = (size_t)1 << rng_below(r, 4);
	uint64_t v = edges[rng_below(r, sizeof edges / sizeof *edges)] + rng_below(r, 3) - 1;
	if (at + width <= in->size)
		memcpy(in->bytes + at, &v, width);
}

static void mutate_text(struct input *in, struct rng *r, size_t at)
{
	static const char *const words[] = { "\n", "\r\n", " ", "\t", ",", ":", "=", "-1", "0x", "99999999999999999999",
		"18446744073709551615", "ffffffffffffffff", "%s%n", "#", "\"", "nan", "1e999", "R", "W", "L ", " S ",
		"==", "\xff\xfe", "\xc3\x28" };
	const char *w = words[rng_below(r, sizeof words / sizeof *words)];
	input_insert(in, at, (const uint8_t *)w, strlen(w));
}

static void mutate_once(struct input *in, struct rng *r)
{
	size_t at = in->size ? rng_below(r, in->size) : 0, left = in->size - at;
	size_t n = left ? 1 + rng_below(r, left < 64 ? left : 64) : 0;
	uint8_t bytes[64];
	switch (rng_below(r, 8)) {
	case 0:
		if (left)
			in->bytes[at] ^= (uint8_t)(1u << rng_below(r, 8));
		break;
	case 1:
		if (left)
			in->bytes[at] = (uint8_t)rng_next(r);
		break;
	case 2:
		input_cut(in, at, n);
		break;
	case 3:
		memcpy(bytes, in->bytes + at, n);
		input_insert(in, rng_below(r, in->size + 1), bytes, n);
		break;
	case 4:
		mutate_number(in, r, at);
		break;
	case 5:
		mutate_text(in, r, at);
		break;
	case 6:
		in->size = at;
		break;
	default:
		memset(in->bytes + at, (int)rng_below(r, 256), n);
	}
}

/* Makes input number i of the seed into room, which holds INPUT_MAX bytes. */
static struct input input_make(uint8_t *room, uint64_t i)
{
	struct rng r;
	rng_init(&r, seed * 0x9e3779b97f4a7c15ull + i);
	const struct input *from = &seeds[rng_below(&r, n_seeds)], *other = &seeds[rng_below(&r, n_seeds)];
	struct input in = { room, from->size };
	memcpy(room, from->bytes, from->size);
	if (i < n_seeds) { /* the seeds themselves come first, unharmed */
		in.size = seeds[i].size;
		memcpy(room, seeds[i].bytes, in.size);
		return in;
	}
	if (rng_below(&r, 8) == 0 && other->size) {
		size_t at = rng_below(&r, other->size), n = other->size - at;
		input_insert(&in, in.size ? rng_below(&r, in.size) : 0, other->bytes + at, n);
	}
	for (uint64_t k = 1 + rng_below(&r, 6); k; k--)
		mutate_once(&in, &r);
	return in;
}

static bool input_run(const struct input *in)
{
	current.bytes = mem_alloc(in->size + !in->size);
	if (!current.bytes)
		return false;
	current.size = in->size;
	memcpy(current.bytes, in->bytes, in->size);
	alarm(LIMIT_SECONDS);
	fuzz_one(current.bytes, current.size);
	alarm(0);
	mem_free(current.bytes);
	return true;
}

static bool option(const char *arg, const char *name, uint64_t *ret)
{
	size_t n = strlen(name);
	if (strncmp(arg, name, n) != 0)
		return false;
	*ret = strtoull(arg + n, NULL, 0);
	return true;
}

static void watch_for_trouble(void)
{
	static const int numbers[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM };
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(on_sanitizer_death);
	for (size_t i = __sanitizer_set_death_callback ? 4 : 0; i < sizeof numbers / sizeof *numbers; i++)
		signal(numbers[i], on_signal);
}

/* NAME [-runs=N] [-seconds=N] [-seed=N] [-first=N] [FILE...]: with -runs=0 and files, each file is run as it is. */
int main(int argc, char **argv)
{
	uint64_t runs = 100000, seconds = 0, first = 0;
	target = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		if (option(a, "-runs=", &runs) || option(a, "-seed=", &seed) || option(a, "-first=", &first))
			continue;
		if (option(a, "-seconds=", &seconds)) {
			runs = UINT64_MAX;
			continue;
		}
		if (!seed_file(a))
			return 1;
	}
	unsigned n_files = n_seeds;
	seeds_gather();
	watch_for_trouble();
	uint8_t *room = mem_alloc(INPUT_MAX);
	time_t end = time(NULL) + (time_t)seconds;
	bool ok = room;
	for (unsigned i = 0; ok && !runs && i < n_files; i++)
		ok = input_run(&seeds[i]);
	for (run_number = first; ok && run_number - first < runs && (!seconds || time(NULL) < end); run_number++) {
		struct input in = input_make(room, run_number);
		ok = input_run(&in);
	}
	printf("%s: %llu inputs, seed %llu: nothing found\n", target, (unsigned long long)(run_number - first),
	       (unsigned long long)seed);
	mem_free(room);
	for (unsigned i = 0; i < n_seeds; i++)
		mem_free(seeds[i].bytes);
	return ok ? 0 : 1;
}
