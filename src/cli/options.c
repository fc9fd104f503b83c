/* options.c - from words to a machine.
 *
 * Problem.  Options depend on one another (a page size on a format, a size of memory on both), people mistype names, and a machine
 * that cannot work should be refused before a program is started.
 *
 * Idea.  Parsing only collects words.  Resolving goes through them in the order of their dependence; every refusal says which option
 * it was, what was wrong and what would be right.  Each list of names comes from the room that owns it.
 *
 * 1. After machine_resolve every member of run_options is set, and the options do not contradict one another.
 *
 * Rejected: resolving while parsing (--page 16K --format flat would mean something else than --format flat --page 16K). */
#include "options.h"
#include "cli.h"
#include "../base/text.h"
#include "../machine/cpu.h"
#include "../store/store.h"
#include <stdlib.h>
#include <string.h>

enum machine_key {
	KEY_FRAMES = 0x100, KEY_RAM, KEY_PAGE, KEY_FORMAT, KEY_CPU, KEY_TLB, KEY_CPUS, KEY_POLICY, KEY_REFBITS, KEY_PERSONALITY,
	KEY_SWAP, KEY_COST, KEY_SEED, KEY_LIMIT, KEY_WARMUP, KEY_TAU, KEY_COLD,
};

const struct argp_option machine_options[] = {
	{ .doc = "The machine:" },
	{ "frames", KEY_FRAMES, "N", 0, "exactly N frames hold programs' pages; page tables are beside them" },
	{ "ram", KEY_RAM, "SIZE", 0, "all of physical memory, page tables included (default: no limit)" },
	{ "page", KEY_PAGE, "SIZE", 0, "page size (default: the format's; --format flat takes any power of two)" },
	{ "format", KEY_FORMAT, "NAME", 0, "page-table format (default x86-64; 'help' lists them)" },
	{ "cpu", KEY_CPU, "PRESET", 0, "TLBs and walk caches of a real CPU ('help' lists them)" },
	{ "tlb", KEY_TLB, "SPEC", 0, "TLBs instead: 'l1d=64/4,l2=1536/12:plru' (entries/ways, fa: fully associative)" },
	{ "cpus", KEY_CPUS, "N", 0, "this many CPUs; threads get them in turn (default 1)" },
	{ .doc = "The kernel:" },
	{ "policy", KEY_POLICY, "NAME", 0, "who leaves memory next (default lru; 'help' lists them)" },
	{ "refbits", KEY_REFBITS, "KIND", 0, "exact: the policy sees every reference (default); hardware: only accessed bits" },
	{ "personality", KEY_PERSONALITY, "NAME", 0, "textbook: one page a fault, nothing clever (default); linux: as Linux does" },
	{ "swap", KEY_SWAP, "KIND", 0, "where evicted pages go: ram, file:PATH, ssd, hdd or none (default ssd)" },
	{ "cold", KEY_COLD, NULL, 0, "with --personality linux: no file page is in memory at the start" },
	{ .doc = "The experiment:" },
	{ "cost", KEY_COST, "SPEC", 0, "what events cost: 'walk_reference=20,clock_mhz=2500' ('help' lists them)" },
	{ "seed", KEY_SEED, "N", 0, "of everything random (default 1)" },
	{ "limit", KEY_LIMIT, "N", 0, "simulate only the first N references" },
	{ "warmup", KEY_WARMUP, "N", 0, "run N references before counting" },
	{ "tau", KEY_TAU, "N", 0, "window of the working set, in references (default 1M)" },
	{ 0 },
};

static const char **machine_word(struct machine_words *w, int key)
{
	switch (key) {
	case KEY_FRAMES: return &w->frames;
	case KEY_RAM: return &w->ram;
	case KEY_PAGE: return &w->page;
	case KEY_FORMAT: return &w->format;
	case KEY_CPU: return &w->cpu;
	case KEY_TLB: return &w->tlb;
	case KEY_CPUS: return &w->cpus;
	case KEY_POLICY: return &w->policy;
	case KEY_REFBITS: return &w->refbits;
	case KEY_PERSONALITY: return &w->personality;
	case KEY_SWAP: return &w->swap;
	case KEY_COST: return &w->cost;
	case KEY_SEED: return &w->seed;
	case KEY_LIMIT: return &w->limit;
	case KEY_WARMUP: return &w->warmup;
	case KEY_TAU: return &w->tau;
	default: return NULL;
	}
}

static error_t machine_parse(int key, char *arg, struct argp_state *state)
{
	struct machine_words *w = state->input;
	const char **word = machine_word(w, key);
	if (word)
		*word = arg;
	else if (key == KEY_COLD)
		w->cold = true;
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

const struct argp machine_argp = { machine_options, machine_parse, NULL, NULL, NULL, NULL, NULL };

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

static int complain(const struct pw_why *why) { return cli_error("%s", why->text); }

/* => CLI_OK with *ret as it was when nothing was typed. */
static int number_word(const char *option, const char *word, uint64_t *ret)
{
	struct pw_why why = { "" };
	if (word && text_size_option(option, word, ret, &why) != PW_OK)
		return cli_error("%s: '%s' is not a number", option, word);
	return CLI_OK;
}

static int resolve_format(const struct machine_words *w, struct run_options *o)
{
	struct pw_why why = { "" };
	struct names l = names_formats();
	const char *name = w->format ? w->format : o->format.name;
	const struct ptfmt *f = ptfmt_find(name);
	if (!f)
		return cli_unknown("--format", name, l.name, l.n);
	o->format = *f;
	if (!w->page)
		return CLI_OK;
	uint64_t bytes = 0;
	if (text_size_option("--page", w->page, &bytes, &why) != PW_OK)
		return complain(&why);
	if (bytes == 0 || bytes & (bytes - 1))
		return cli_error("--page %s: a page size is a power of two", w->page);
	unsigned shift = (unsigned)__builtin_ctzll(bytes);
	if (shift == f->page_shift)
		return CLI_OK;
	if (strcmp(f->name, "flat") != 0)
		return cli_error("--page %s: pages of %s are of %u bytes; --format flat takes any page size", w->page, f->name,
		                 1u << f->page_shift);
	if (ptfmt_flat_make(shift, f->va_bits, &o->format, &why) != PW_OK)
		return cli_error("--page %s: %s", w->page, why.text);
	return CLI_OK;
}

static int resolve_cpu(const struct machine_words *w, struct run_options *o)
{
	struct pw_why why = { "" };
	if (w->cpu) {
		const struct cpu_model *cpu = cpu_find(w->cpu);
		struct names l = names_cpus();
		if (!cpu)
			return cli_unknown("--cpu", w->cpu, l.name, l.n);
		o->cpu = *cpu;
		o->cpu_name = cpu->name;
	}
	if (w->tlb && tlb_parse(w->tlb, o->cpu.tlb, &o->cpu.n_tlbs, &why) != PW_OK)
		return complain(&why);
	if (w->tlb)
		o->tlb_spec = w->tlb;
	uint64_t n = 1;
	if (number_word("--cpus", w->cpus, &n) != CLI_OK)
		return CLI_FAILED;
	if (n < 1 || n > 64)
		return cli_error("--cpus %s: from 1 to 64", w->cpus);
	o->n_cpus = (unsigned)n;
	return CLI_OK;
}

static int resolve_ram(const struct machine_words *w, struct run_options *o)
{
	struct pw_why why = { "" };
	char size[32], page[32];
	unsigned shift = o->format.page_shift, least = o->format.levels + 1u;
	if (text_size_option("--ram", w->ram, &o->ram_bytes, &why) != PW_OK)
		return complain(&why);
	if (o->ram_bytes == 0)
		return cli_error("--ram %s: memory cannot be empty; write a size such as 64M", w->ram);
	uint64_t frames = o->ram_bytes >> shift;
	if (frames < least)
		return cli_error("--ram %s: too small; %s needs at least %u frames of %s, one for a page and %u for its page tables: "
		                 "%s", w->ram, o->format.name, least, text_bytes(page, sizeof page, 1ull << shift), least - 1,
		                 text_bytes(size, sizeof size, (uint64_t)least << shift));
	if (o->format.pa_bits < 64 && o->ram_bytes > 1ull << o->format.pa_bits)
		return cli_error("--ram %s: %s addresses at most %s of memory", w->ram, o->format.name,
		                 text_bytes(size, sizeof size, 1ull << o->format.pa_bits));
	if (frames > 1ull << 31)
		return cli_error("--ram %s: at most %s can be simulated", w->ram, text_bytes(size, sizeof size, 1ull << (31 + shift)));
	o->ram_bytes = frames << shift;
	return CLI_OK;
}

static int resolve_memory(const struct machine_words *w, struct run_options *o)
{
	if (w->frames && w->ram)
		return cli_error("--frames and --ram exclude each other: one counts programs' pages, the other all of memory");
	if (w->ram)
		return resolve_ram(w, o);
	if (!w->frames)
		return CLI_OK;
	if (number_word("--frames", w->frames, &o->page_frames) != CLI_OK)
		return CLI_FAILED;
	if (o->page_frames == 0)
		return cli_error("--frames %s: at least one frame must hold a page", w->frames);
	if (o->page_frames > 1ull << 31)
		return cli_error("--frames %s: at most %llu can be simulated", w->frames, 1ull << 31);
	return CLI_OK;
}

static int resolve_policy(const struct machine_words *w, struct run_options *o)
{
	static const char *const refbits[] = { "exact", "hardware" };
	if (w->policy) {
		struct names l = names_policies();
		o->policy = policy_find(w->policy);
		if (!o->policy)
			return cli_unknown("--policy", w->policy, l.name, l.n);
	}
	for (unsigned i = 0; w->refbits && i < 2; i++)
		if (strcmp(w->refbits, refbits[i]) == 0) {
			o->refbits = i ? REFBITS_HARDWARE : REFBITS_EXACT;
			return CLI_OK;
		}
	return w->refbits ? cli_unknown("--refbits", w->refbits, refbits, 2) : CLI_OK;
}

static int resolve_personality(const struct machine_words *w, struct run_options *o)
{
	static const char *const names[PERSONALITY_KINDS] = {
#define X(name, text) #name,
		PERSONALITY_LIST(X)
#undef X
	};
	o->cold_files = w->cold;
	for (unsigned i = 0; w->personality && i < PERSONALITY_KINDS; i++)
		if (strcmp(w->personality, names[i]) == 0) {
			o->personality = (enum personality)i;
			return CLI_OK;
		}
	return w->personality ? cli_unknown("--personality", w->personality, names, PERSONALITY_KINDS) : CLI_OK;
}

static int resolve_swap(const struct machine_words *w, struct run_options *o)
{
	const char *names[NAMES_MAX];
	unsigned n = 0;
	if (!w->swap)
		return CLI_OK;
	o->swap = w->swap;
	size_t length = strcspn(w->swap, ":");
	for (unsigned i = 0; n < NAMES_MAX - 1 && store_at(i); i++) {
		names[n] = store_at(i)->name;
		if (strlen(names[n]) == length && strncmp(names[n], w->swap, length) == 0)
			return CLI_OK;
		n++;
	}
	if (strcmp(w->swap, "none") == 0)
		return CLI_OK;
	names[n++] = "none";
	return cli_unknown("--swap", w->swap, names, n);
}

static int resolve_experiment(const struct machine_words *w, struct run_options *o)
{
	struct pw_why why = { "" };
	if (w->cost && cost_parse(w->cost, &o->cost, &why) != PW_OK)
		return cli_error("--%s", why.text);
	if (o->cost.clock_mhz == 0)
		return cli_error("--cost: clock_mhz=0: the clock cannot stand still");
	if (number_word("--seed", w->seed, &o->seed) != CLI_OK || number_word("--limit", w->limit, &o->limit) != CLI_OK ||
	    number_word("--warmup", w->warmup, &o->warmup) != CLI_OK || number_word("--tau", w->tau, &o->tau) != CLI_OK)
		return CLI_FAILED;
	if (w->limit && o->limit == 0)
		return cli_error("--limit %s: nothing would be simulated", w->limit);
	if (o->limit && o->warmup >= o->limit)
		return cli_error("--warmup %s is not less than --limit %s: nothing would be counted", w->warmup, w->limit);
	if (o->tau == 0)
		return cli_error("--tau %s: a window has at least one reference", w->tau);
	return CLI_OK;
}

static void list_cost(void)
{
#define X(name, value, unit, text) printf("%-16s %8u %-7s %s\n", #name, (unsigned)value, unit, text);
	COST_LIST(X)
#undef X
}

static bool is_help(const char *word) { return word && strcmp(word, "help") == 0; }

/* => true when a list was asked for, and printed. */
static bool machine_list(const struct machine_words *w)
{
	if (is_help(w->format))
		for (unsigned i = 0; ptfmt_at(i); i++)
			printf("%-16s %s (%s)\n", ptfmt_at(i)->name, ptfmt_at(i)->title, ptfmt_at(i)->manual);
	else if (is_help(w->cpu))
		for (unsigned i = 0; cpu_at(i); i++)
			printf("%-16s %s\n%17s%s\n", cpu_at(i)->name, cpu_at(i)->title, "", cpu_at(i)->source);
	else if (is_help(w->policy))
		for (unsigned i = 0; policy_at(i); i++)
			printf("%-16s %s\n%17s%s\n", policy_at(i)->name, policy_at(i)->variant, "", policy_at(i)->paper);
	else if (is_help(w->swap))
		for (unsigned i = 0; store_at(i); i++)
			printf("%-16s %s\n", store_at(i)->name, store_at(i)->summary);
	else if (is_help(w->cost))
		list_cost();
	else
		return false;
	return true;
}

int machine_resolve(const struct machine_words *w, struct run_options *ret, bool *listed)
{
	run_options_init(ret);
	*listed = machine_list(w);
	if (*listed)
		return CLI_OK;
	int (*const phases[])(const struct machine_words *, struct run_options *) = {
		resolve_format, resolve_cpu, resolve_memory, resolve_policy, resolve_personality, resolve_swap, resolve_experiment,
	};
	for (unsigned i = 0; i < sizeof phases / sizeof *phases; i++)
		if (phases[i](w, ret) != CLI_OK)
			return CLI_FAILED;
	return CLI_OK;
}
