/* words.c - from words to a machine.
 *
 * Problem.  Options depend on one another (a page size on a format, a size of memory on both), people mistype names, and a machine
 * that cannot work should be refused before a program is started.
 *
 * Idea.  Setting only collects words.  Resolving goes through them in the order of their dependence; every refusal says which option
 * it was, what was wrong and what would be right.  Each list of names comes from the room that owns it.
 *
 * 1. After machine_words_resolve every member of run_options is set, and the options do not contradict one another.
 *
 * Rejected: resolving while setting (page 16K, format flat would mean something else than format flat, page 16K). */
#include "words.h"
#include "../base/text.h"
#include <stdio.h>
#include <string.h>

static const char *const word_names[] = {
#define X(name, argument, text) #name,
	MACHINE_WORD_LIST(X)
#undef X
};
enum { WORDS = sizeof word_names / sizeof *word_names };

enum pw_err words_unknown(struct pw_why *why, const char *what, const char *word, const char *const *names, unsigned n)
{
	char known[300] = "";
	size_t at = 0;
	for (unsigned i = 0; i < n && at < sizeof known; i++)
		at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", names[i]);
	const char *near = text_nearest(word, names, n);
	if (near)
		return pw_fail(why, PW_INVALID, "%s: '%s' is unknown; did you mean '%s'? (known: %s)", what, word, near, known);
	return pw_fail(why, PW_INVALID, "%s: '%s' is unknown; known: %s", what, word, known);
}

enum pw_err machine_words_set(struct machine_words *w, const char *name, const char *value, struct pw_why *why)
{
	const char **const places[] = {
#define X(word, argument, text) &w->word,
		MACHINE_WORD_LIST(X)
#undef X
	};
	for (unsigned i = 0; i < WORDS; i++)
		if (strcmp(word_names[i], name) == 0) {
			*places[i] = value;
			return PW_OK;
		}
	words_unknown(why, "option", name, word_names, WORDS);
	return PW_NOTFOUND;
}

/* Names of a list, gathered for messages. */
enum { NAMES_MAX = 64 };
struct names {
	const char *name[NAMES_MAX];
	unsigned n;
};

static struct names names_formats(void)
{
	struct names l = { .n = 0 };
	for (unsigned i = 0; l.n < NAMES_MAX && ptfmt_at(i); i++)
		l.name[l.n++] = ptfmt_at(i)->name;
	return l;
}

static struct names names_cpus(void)
{
	struct names l = { .n = 0 };
	for (unsigned i = 0; l.n < NAMES_MAX && cpu_at(i); i++)
		l.name[l.n++] = cpu_at(i)->name;
	return l;
}

static struct names names_policies(void)
{
	struct names l = { .n = 0 };
	for (unsigned i = 0; l.n < NAMES_MAX && policy_at(i); i++)
		l.name[l.n++] = policy_at(i)->name;
	return l;
}

/* => PW_OK with *ret as it was when nothing was given. */
static enum pw_err number_word(const char *option, const char *word, uint64_t *ret, struct pw_why *why)
{
	if (word && text_size(word, ret, NULL) != PW_OK)
		return pw_fail(why, PW_INVALID, "%s: '%s' is not a number", option, word);
	return PW_OK;
}

static enum pw_err resolve_format(const struct machine_words *w, struct run_options *o, struct pw_why *why)
{
	struct names l = names_formats();
	const char *name = w->format ? w->format : o->format.name;
	const struct ptfmt *f = ptfmt_find(name);
	if (!f)
		return words_unknown(why, "--format", name, l.name, l.n);
	o->format = *f;
	if (!w->page)
		return PW_OK;
	uint64_t bytes = 0;
	if (text_size_option("--page", w->page, &bytes, why) != PW_OK)
		return PW_INVALID;
	if (bytes == 0 || bytes & (bytes - 1))
		return pw_fail(why, PW_INVALID, "--page %s: a page size is a power of two", w->page);
	unsigned shift = (unsigned)__builtin_ctzll(bytes);
	if (shift == f->page_shift)
		return PW_OK;
	if (strcmp(f->name, "flat") != 0)
		return pw_fail(why, PW_INVALID, "--page %s: pages of %s are of %u bytes; --format flat takes any page size", w->page,
		               f->name, 1u << f->page_shift);
	struct pw_why inner = { "" };
	if (ptfmt_flat_make(shift, f->va_bits, &o->format, &inner) != PW_OK)
		return pw_fail(why, PW_INVALID, "--page %s: %s", w->page, inner.text);
	return PW_OK;
}

static enum pw_err resolve_cpu(const struct machine_words *w, struct run_options *o, struct pw_why *why)
{
	if (w->cpu) {
		const struct cpu_model *cpu = cpu_find(w->cpu);
		struct names l = names_cpus();
		if (!cpu)
			return words_unknown(why, "--cpu", w->cpu, l.name, l.n);
		o->cpu = *cpu;
		o->cpu_name = cpu->name;
	}
	if (w->tlb && tlb_parse(w->tlb, o->cpu.tlb, &o->cpu.n_tlbs, why) != PW_OK)
		return PW_INVALID;
	if (w->tlb)
		o->tlb_spec = w->tlb;
	uint64_t n = 1, bits = o->cpu.asid_bits;
	if (number_word("--cpus", w->cpus, &n, why) != PW_OK || number_word("--asids", w->asids, &bits, why) != PW_OK)
		return PW_INVALID;
	if (bits > 16)
		return pw_fail(why, PW_INVALID, "--asids %s: from 0 to 16 bits", w->asids);
	o->cpu.asid_bits = (uint8_t)bits;
	if (n < 1 || n > 64)
		return pw_fail(why, PW_INVALID, "--cpus %s: from 1 to 64", w->cpus);
	o->n_cpus = (unsigned)n;
	return PW_OK;
}

/* FORMAT or FORMAT:N.  The TLB that remembers a guest's physical addresses: real ones are small, and few makers tell (the first of
 * AMD had 16 entries, by Bhargava and others, ASPLOS 2008). */
static enum pw_err resolve_nested(const struct machine_words *w, struct run_options *o, struct pw_why *why)
{
	char name[64];
	uint64_t entries = 16;
	struct names l = names_formats();
	if (!w->nested)
		return w->hostram ? pw_fail(why, PW_INVALID, "--hostram is for a guest; give --nested FORMAT too") : PW_OK;
	const char *colon = strchr(w->nested, ':');
	snprintf(name, sizeof name, "%.*s", (int)strcspn(w->nested, ":"), w->nested);
	o->nested = ptfmt_find(name);
	if (!o->nested)
		return words_unknown(why, "--nested", name, l.name, l.n);
	if (colon && (text_u64(colon + 1, &entries, NULL) != PW_OK || entries > 65536))
		return pw_fail(why, PW_INVALID, "--nested %s: behind the colon is a number of TLB entries, up to 65536", w->nested);
	if (o->nested->page_shift != o->format.page_shift)
		return pw_fail(why, PW_INVALID, "--nested %s: its pages are of %u bytes, those of --format %s of %u: they must be equal",
		               name, 1u << o->nested->page_shift, o->format.name, 1u << o->format.page_shift);
	o->nested_tlb = (uint32_t)entries;
	if (w->hostram && text_size_option("--hostram", w->hostram, &o->host_ram_bytes, why) != PW_OK)
		return PW_INVALID;
	uint64_t least = 4ull * (o->format.levels + 1u) * o->nested->levels;
	if (w->hostram && o->host_ram_bytes >> o->nested->page_shift < least)
		return pw_fail(why, PW_INVALID, "--hostram %s: a host needs at least %llu frames of %u bytes, for what one walk of its "
		               "guest touches and its own tables", w->hostram, (unsigned long long)least, 1u << o->nested->page_shift);
	return PW_OK;
}

static enum pw_err resolve_ram(const struct machine_words *w, struct run_options *o, struct pw_why *why)
{
	char size[32], page[32];
	unsigned shift = o->format.page_shift, least = o->format.hashed ? 17 : o->format.levels + 1u; /* 64K: the least of hashed tables */
	if (text_size_option("--ram", w->ram, &o->ram_bytes, why) != PW_OK)
		return PW_INVALID;
	if (o->ram_bytes == 0)
		return pw_fail(why, PW_INVALID, "--ram %s: memory cannot be empty; write a size such as 64M", w->ram);
	uint64_t frames = o->ram_bytes >> shift;
	if (frames < least)
		return pw_fail(why, PW_INVALID, "--ram %s: too small; %s needs at least %u frames of %s, one for a page and %u for its "
		               "page tables: %s", w->ram, o->format.name, least, text_bytes(page, sizeof page, 1ull << shift), least - 1,
		               text_bytes(size, sizeof size, (uint64_t)least << shift));
	if (o->format.pa_bits < 64 && o->ram_bytes > 1ull << o->format.pa_bits)
		return pw_fail(why, PW_INVALID, "--ram %s: %s addresses at most %s of memory", w->ram, o->format.name,
		               text_bytes(size, sizeof size, 1ull << o->format.pa_bits));
	if (frames > 1ull << 31)
		return pw_fail(why, PW_INVALID, "--ram %s: at most %s can be simulated", w->ram,
		               text_bytes(size, sizeof size, 1ull << (31 + shift)));
	o->ram_bytes = frames << shift;
	return PW_OK;
}

static enum pw_err resolve_memory(const struct machine_words *w, struct run_options *o, struct pw_why *why)
{
	if (w->frames && w->ram)
		return pw_fail(why, PW_INVALID, "--frames and --ram exclude each other: one counts programs' pages, the other all of "
		               "memory");
	if (w->ram)
		return resolve_ram(w, o, why);
	if (!w->frames)
		return PW_OK;
	if (number_word("--frames", w->frames, &o->page_frames, why) != PW_OK)
		return PW_INVALID;
	if (o->page_frames == 0)
		return pw_fail(why, PW_INVALID, "--frames %s: at least one frame must hold a page", w->frames);
	if (o->page_frames > 1ull << 31)
		return pw_fail(why, PW_INVALID, "--frames %s: at most %llu can be simulated", w->frames, 1ull << 31);
	return PW_OK;
}

static enum pw_err resolve_policy(const struct machine_words *w, struct run_options *o, struct pw_why *why)
{
	static const char *const refbits[] = { "exact", "hardware" };
	if (w->policy) {
		struct names l = names_policies();
		char name[POLICY_SPEC_MAX];
		struct pw_why inner = { "" };
		snprintf(name, sizeof name, "%.*s", (int)strcspn(w->policy, ":"), w->policy);
		enum pw_err err = policy_parse(w->policy, &o->policy, &o->policy_params, &inner);
		if (err == PW_NOTFOUND)
			return words_unknown(why, "--policy", name, l.name, l.n);
		if (err != PW_OK)
			return pw_fail(why, err, "--policy %s", inner.text);
	}
	for (unsigned i = 0; w->refbits && i < 2; i++)
		if (strcmp(w->refbits, refbits[i]) == 0) {
			o->refbits = i ? REFBITS_HARDWARE : REFBITS_EXACT;
			return PW_OK;
		}
	return w->refbits ? words_unknown(why, "--refbits", w->refbits, refbits, 2) : PW_OK;
}

static enum pw_err resolve_personality(const struct machine_words *w, struct run_options *o, struct pw_why *why)
{
	static const char *const names[PERSONALITY_KINDS] = {
#define X(name, text) #name,
		PERSONALITY_LIST(X)
#undef X
	};
	for (unsigned i = 0; w->personality && i < PERSONALITY_KINDS; i++)
		if (strcmp(w->personality, names[i]) == 0) {
			o->personality = (enum personality)i;
			return PW_OK;
		}
	return w->personality ? words_unknown(why, "--personality", w->personality, names, PERSONALITY_KINDS) : PW_OK;
}

static enum pw_err resolve_files(const struct machine_words *w, struct run_options *o, struct pw_why *why)
{
	static const char *const states[] = { "cached", "cold" };
	if (!w->files)
		return PW_OK;
	o->cold_files = strcmp(w->files, states[1]) == 0;
	return o->cold_files || strcmp(w->files, states[0]) == 0 ? PW_OK : words_unknown(why, "--files", w->files, states, 2);
}

static enum pw_err resolve_overcommit(const struct machine_words *w, struct run_options *o, struct pw_why *why)
{
	static const char *const names[OVERCOMMIT_KINDS] = {
#define X(name, text) #name,
		OVERCOMMIT_LIST(X)
#undef X
	};
	while (w->overcommit && o->overcommit < OVERCOMMIT_KINDS && strcmp(w->overcommit, names[o->overcommit]) != 0)
		o->overcommit++;
	return o->overcommit < OVERCOMMIT_KINDS ? PW_OK : words_unknown(why, "--overcommit", w->overcommit, names, OVERCOMMIT_KINDS);
}

/* global, local, local:equal, local:proportional */
static enum pw_err resolve_replacement(const struct machine_words *w, struct run_options *o, struct pw_why *why)
{
	static const char *const names[] = {
		"global", "local",
#define X(name, text) "local:" #name,
		ALLOCATION_LIST(X)
#undef X
	};
	enum { NAMES = sizeof names / sizeof *names, PLAIN = 2 };
	unsigned i = 0;
	while (w->replacement && i < NAMES && strcmp(w->replacement, names[i]) != 0)
		i++;
	if (i == NAMES)
		return words_unknown(why, "--replacement", w->replacement, names, NAMES);
	o->replacement = i ? REPLACEMENT_local : REPLACEMENT_global;
	o->allocation = i < PLAIN ? ALLOCATION_equal : (enum allocation)(i - PLAIN);
	if (i && o->huge != HUGE_never)
		return pw_fail(why, PW_INVALID, "--replacement %s knows no huge pages: it cannot go with --huge %s", w->replacement,
		               w->huge);
	return PW_OK;
}

static enum pw_err resolve_quantum(const struct machine_words *w, struct run_options *o, struct pw_why *why)
{
	if (number_word("--quantum", w->quantum, &o->quantum, why) != PW_OK)
		return PW_INVALID;
	static const char *const when[] = { "never", "thrashing" };
	if (w->loadcontrol && strcmp(w->loadcontrol, when[0]) != 0 && strcmp(w->loadcontrol, when[1]) != 0)
		return words_unknown(why, "--loadcontrol", w->loadcontrol, when, 2);
	o->load_control = w->loadcontrol && strcmp(w->loadcontrol, when[1]) == 0;
	if (o->load_control && o->policy->wants_future)
		return pw_fail(why, PW_INVALID, "--loadcontrol %s: who runs when depends on the faults, so --policy %s cannot know the "
		               "future", w->loadcontrol, o->policy->name);
	if (o->load_control && !w->quantum)
		o->quantum = RUN_QUANTUM;
	return w->quantum && !o->quantum ? pw_fail(why, PW_INVALID, "--quantum %s: a turn has at least one reference", w->quantum) : PW_OK;
}

static enum pw_err resolve_huge(const struct machine_words *w, struct run_options *o, struct pw_why *why)
{
	static const char *const names[HUGE_KINDS] = {
#define X(name, text) #name,
		HUGE_LIST(X)
#undef X
	};
	uint64_t fragment = 0;
	while (w->huge && o->huge < HUGE_KINDS && strcmp(w->huge, names[o->huge]) != 0)
		o->huge++;
	if (o->huge == HUGE_KINDS)
		return words_unknown(why, "--huge", w->huge, names, HUGE_KINDS);
	if (o->huge == HUGE_never && (w->fragment || w->scan))
		return pw_fail(why, PW_INVALID, "--%s needs --huge madvise or always", w->fragment ? "fragment" : "scan");
	if (o->huge != HUGE_never && !run_huge_shift(o))
		return pw_fail(why, PW_INVALID, "--huge %s: %s has no huge pages", w->huge, o->format.name);
	size_t length = w->fragment ? strlen(w->fragment) : 0;
	char number[8] = "";
	if (length && length < sizeof number)
		snprintf(number, sizeof number, "%.*s", (int)(length - (w->fragment[length - 1] == '%')), w->fragment);
	if (w->fragment && (text_u64(number, &fragment, NULL) != PW_OK || fragment > 100))
		return pw_fail(why, PW_INVALID, "--fragment %s: a share of memory is 0 to 100 percent", w->fragment);
	if (fragment && !o->ram_bytes)
		return pw_fail(why, PW_INVALID, "--fragment %s: of how much memory? Say --ram SIZE", w->fragment);
	o->fragment = (unsigned)fragment;
	return number_word("--scan", w->scan, &o->scan, why);
}

static enum pw_err resolve_swap(const struct machine_words *w, struct run_options *o, struct pw_why *why)
{
	const char *names[NAMES_MAX];
	unsigned n = 0;
	if (!w->swap)
		return PW_OK;
	o->swap = w->swap;
	size_t length = strcspn(w->swap, ":=");
	for (unsigned i = 0; n < NAMES_MAX - 1 && store_at(i); i++) {
		names[n] = store_at(i)->name;
		if (strlen(names[n]) == length && strncmp(names[n], w->swap, length) == 0)
			return PW_OK;
		n++;
	}
	if (strcmp(w->swap, "none") == 0)
		return PW_OK;
	names[n++] = "none";
	return words_unknown(why, "--swap", w->swap, names, n);
}

static enum pw_err resolve_experiment(const struct machine_words *w, struct run_options *o, struct pw_why *why)
{
	struct pw_why inner = { "" };
	if (w->cost && cost_parse(w->cost, &o->cost, &inner) != PW_OK)
		return pw_fail(why, PW_INVALID, "--%s", inner.text);
	if (o->cost.clock_mhz == 0)
		return pw_fail(why, PW_INVALID, "--cost: clock_mhz=0: the clock cannot stand still");
	if (number_word("--seed", w->seed, &o->seed, why) != PW_OK ||
	    number_word("--limit", w->limit, &o->limit, why) != PW_OK ||
	    number_word("--warmup", w->warmup, &o->warmup, why) != PW_OK ||
	    number_word("--tau", w->tau, &o->tau, why) != PW_OK)
		return PW_INVALID;
	if (w->limit && o->limit == 0)
		return pw_fail(why, PW_INVALID, "--limit %s: nothing would be simulated", w->limit);
	if (o->limit && o->warmup >= o->limit)
		return pw_fail(why, PW_INVALID, "--warmup %s is not less than --limit %s: nothing would be counted", w->warmup,
		               w->limit);
	if (o->tau == 0)
		return pw_fail(why, PW_INVALID, "--tau %s: a window has at least one reference", w->tau);
	return PW_OK;
}

enum pw_err machine_words_resolve(const struct machine_words *w, struct run_options *ret, struct pw_why *why)
{
	enum pw_err (*const phases[])(const struct machine_words *, struct run_options *, struct pw_why *) = {
		resolve_format, resolve_cpu, resolve_nested, resolve_memory, resolve_policy, resolve_personality, resolve_files,
		resolve_huge, resolve_replacement, resolve_overcommit, resolve_quantum,
		resolve_swap, resolve_experiment,
	};
	run_options_init(ret);
	for (unsigned i = 0; i < sizeof phases / sizeof *phases; i++) {
		enum pw_err err = phases[i](w, ret, why);
		if (err != PW_OK)
			return err;
	}
	return PW_OK;
}
