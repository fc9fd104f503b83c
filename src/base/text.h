/* text.h - reading and writing the small words people type: sizes, counts, "name:key=value,key=value".
 *
 * Sizes take K, M, G, T (binary, with an optional "iB" or "B"); counts take k, M, G as powers of ten only where said. */
#pragma once
#include "err.h"
#include <stdbool.h>
#include <stdint.h>

/* "8M" -> 8388608; also "0x1000" and "4096".  => PW_INVALID with why when s is not wholly a size or does not fit 64 bits. */
must_use enum pw_err text_size(const char *s, uint64_t *ret, struct pw_why *why);
/* As text_size, with what named in the message: "--ram: '8Q' is not a size; write a number with K, M, G or T". */
must_use enum pw_err text_size_option(const char *what, const char *s, uint64_t *ret, struct pw_why *why);
/* A plain number, decimal or 0x. */
must_use enum pw_err text_u64(const char *s, uint64_t *ret, struct pw_why *why);

/* A specification "name:key=value,key=value": parsed copy, released by spec_fini. */
struct spec_pair {
	const char *key, *value;
	bool used;
};
struct spec {
	char *copy;        /* owns every string below */
	const char *name;
	struct spec_pair pair[16];
	unsigned n_pairs;
};
must_use enum pw_err spec_init(struct spec *s, const char *text, struct pw_why *why);
void spec_fini(struct spec *s);
/* => *ret keeps its default when the key is absent; PW_INVALID when the value does not parse. */
must_use enum pw_err spec_size(struct spec *s, const char *key, uint64_t *ret, struct pw_why *why);
must_use enum pw_err spec_real(struct spec *s, const char *key, double *ret, struct pw_why *why);
const char *spec_word(struct spec *s, const char *key); /* NULL: absent */
/* => PW_INVALID naming the first key nobody asked for, with the known ones listed in why. */
must_use enum pw_err spec_unused(const struct spec *s, const char *known, struct pw_why *why);

/* The nearest of n names to a mistyped one, or NULL when none is near (Damerau-Levenshtein distance at most 2). */
const char *text_nearest(const char *word, const char *const *names, unsigned n);

/* "8.0 MiB", "1,234,567": into buf, returned.  text_bytes prints exact multiples without a fraction. */
char *text_bytes(char *buf, size_t size, uint64_t bytes);
char *text_count(char *buf, size_t size, uint64_t count);
