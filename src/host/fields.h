/* fields.h - files of named figures: meminfo, vmstat, status, smaps_rollup and whatever else is "NAME[:] VALUE" a line.
 *
 * Every line is kept, known or not, in the order and under the name the kernel gave it: what a later kernel adds passes through. */
#pragma once
#include "../base/err.h"
#include "../base/json.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct field {
	const char *name;    /* "MemTotal", "pgfault" */
	const char *text;    /* the value as written, its unit included: "24684084 kB"; "" when there is none */
	uint64_t value;      /* the number before the unit, as written, when number says so */
	bool number;         /* the value is one number that fits, with or without a unit: "kB" or none */
	bool kb;             /* its unit is the kernel's kB: 1024 bytes */
};

struct fields {
	char *text;          /* owns every string */
	struct field *field;
	uint32_t n, room;
	size_t text_room;
};

/* Parses into f, whose memory is used again; a zeroed struct is an empty one.  A line without a name is skipped, a number too large
 * for 64 bits is text.  => PW_NOMEM: f is empty, and still to be released. */
must_use enum pw_err fields_parse(struct fields *f, const char *text, size_t bytes, struct pw_why *why);
void fields_fini(struct fields *f);
/* NULL: there is none of that name; the first, should there be several. */
const struct field *fields_find(const struct fields *f, const char *name);
/* The number itself, or in bytes when its unit is kB.  => false: there is no such field, or no number in it, or it would not fit. */
bool fields_value(const struct fields *f, const char *name, uint64_t *ret);
/* Every field as a member of the object that is open, kB as they are: numbers as numbers, the rest as text. */
void fields_json(const struct fields *f, struct jsonw *j);
/* NULL, or a sentence naming the broken invariant. */
const char *fields_flaw(const struct fields *f);
