/* csv.h - which column of a table says what: from a heading, or from what the user says. */
#pragma once
#include "../base/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* column, its name in specifications, the headings it is known by (lower case, without blanks, dashes and underscores). */
#define CSV_COLUMN_LIST(X) \
	X(ADDRESS, "address", "address addr vaddr va virtualaddress dataaddress memaddr ea offset") \
	X(PAGE, "page", "page vpn lpn pagenumber pageno sector lba lbn block blocknumber") \
	X(ID, "id", "id objid objectid object obj key") \
	X(OP, "op", "op operation type rw access accesstype kind cmd command opcode iotype") \
	X(PID, "pid", "pid process processid") \
	X(TID, "tid", "tid thread threadid") \
	X(SIZE, "size", "size bytes length len objsize") \
	X(TIME, "time", "time timestamp ts clock")

enum csv_column {
	CSV_NONE, /* nobody looks at it */
#define X(name, word, headings) CSV_##name,
	CSV_COLUMN_LIST(X)
#undef X
	CSV_COLUMNS
};

/* The keys of a specification, for messages. */
#define CSV_KEYS "address, page, id, op, pid, tid, size, time (a column: its number from 1, or its heading), unit (bytes of a page), " \
	"base (10 or 16, of addresses), delimiter (comma, semicolon, tab, bar, space)"

enum { CSV_WIDTH = 64 }; /* columns to the right of these are not looked at */

struct csv_shape {
	char delimiter;
	bool hex;                     /* addresses without 0x are hexadecimal all the same */
	bool heading;                 /* the first line is one */
	uint8_t column[CSV_WIDTH];    /* enum csv_column of each */
	enum csv_column place;        /* ADDRESS, PAGE or ID: what says where */
	unsigned place_at;
	uint64_t unit;                /* bytes of one ADDRESS (1) or PAGE */
};

/* One field: blanks around it and quotes are taken off. */
struct csv_field {
	const char *p, *end;
};
/* The field at p.  => past it, at the delimiter that ended it or at the newline. */
const char *csv_field(const char *p, char delimiter, struct csv_field *ret);

/* Is this text, whole lines, a table whose heading names a place, with lines below it that fit?  Fills *ret. */
bool csv_recognise(const char *text, size_t n, struct csv_shape *ret);
/* The same, with what the user says of the columns. => PW_INVALID, PW_FORMAT. */
must_use enum pw_err csv_shape(const char *text, size_t n, struct spec *said, struct csv_shape *ret, struct pw_why *why);
