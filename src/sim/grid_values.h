/* grid_values.h - the values one word of a grid takes: "lru, clock", "1M..64M:x2", "10%, 50%", "l1d=64/4,l2=1536/12; l1d=32/4".
 *
 * Which values a word may have is known from the list of words: those that take numbers may be given ranges, and those that take a
 * specification, which holds commas itself, separate their values with semicolons.  A name may have parameters ("2q:in=25%,out=50%"). */
#pragma once
#include "words.h"

/* Every word has a number here, in the order of MACHINE_WORD_LIST. */
enum grid_word {
#define X(name, argument, text) GRID_WORD_##name,
	MACHINE_WORD_LIST(X)
#undef X
	GRID_WORDS
};

/* How a value is written instead of leaving the word out. */
#define GRID_DEFAULT "default"

struct grid_values {
	char **value;  /* canonical: numbers in digits with the largest unit that divides them */
	unsigned n;
};

const char *grid_word_name(enum grid_word word);
/* => GRID_WORDS with why, the nearest word named, when there is none. */
enum grid_word grid_word_find(const char *where, const char *name, struct pw_why *why);
/* => where the word lies in a set of them. */
const char **grid_word_place(struct machine_words *w, enum grid_word word);
const char *grid_word_value(const struct machine_words *w, enum grid_word word);

/* Adds the values of a text; one that is there already is not added again.  where ("--policy", "big.grid:3: policy") begins the
 * line in why.  => on error v holds some of them. */
must_use enum pw_err grid_values_add(struct grid_values *v, enum grid_word word, const char *where, const char *text,
                                     struct pw_why *why);
void grid_values_fini(struct grid_values *v);

/* "10%" -> 10.  => false when it is no percentage. */
bool grid_percent(const char *value, double *ret);
/* Sizes, counts and percentages as numbers, to compare them.  => false when it is neither. */
bool grid_number(const char *value, double *ret);
