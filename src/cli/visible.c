/* visible.c - one name, one line, no tricks.
 *
 * Problem: a process may call itself by a newline and an escape sequence that clears the screen of whoever lists it.
 * Idea: copy whole characters that are harmless, spell out the rest.
 * 1. What is written is printable UTF-8 on one line, and never ends within a character or an escape.
 * Rejected: question marks (two processes would look alike). */
#include "visible.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* => the bytes of the harmless character at s; 0: it is none. */
static size_t harmless(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
	if (n == 1)
		return s[0] >= 0x20 && s[0] != 0x7f && s[0] != '\\';
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	bool control = s[0] == 0xc2 && s[1] < 0xa0, long_form = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
	return control || long_form ? 0 : n;
}

static size_t spell(char piece[8], unsigned char c)
{
	static const char letter[] = { ['\n'] = 'n', ['\t'] = 't', ['\r'] = 'r', ['\\'] = '\\' };
	bool named = c < sizeof letter && letter[c];
	return (size_t)(named ? snprintf(piece, 8, "\\%c", letter[c]) : snprintf(piece, 8, "\\x%02x", c));
}

char *visible(char *buf, size_t size, const char *text)
{
	static const char more[] = "..."; /* => size is at least that */
	size_t n = 0, fits = 0; /* fits: the last place from which there is room for the dots */
	for (const unsigned char *s = (const unsigned char *)text; *s;) {
		char piece[8];
		size_t taken = harmless(s), length = taken;
		if (taken)
			memcpy(piece, s, taken);
		else
			length = spell(piece, *s);
		if (n + length + 1 > size) {
			memcpy(buf + fits, more, sizeof more);
			return buf;
		}
		memcpy(buf + n, piece, length);
		n += length;
		s += taken ? taken : 1;
		fits = n + sizeof more <= size ? n : fits;
	}
	buf[n] = '\0';
	return buf;
}
