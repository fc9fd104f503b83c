/* walk.c - pageworks walk: one translation explained, a whole address space listed, or all addresses of a frame found.
 *
 * Problem: an address does not translate, and all there is is a dump; a person then follows four tables by hand, bit by bit.
 * Idea: the explainer of machine/ over the memory that the dump holds.  Where the tables begin is taken from --root, from the roots
 * file that pageworks writes beside its own dumps, or from the registers that the dump carries, in this order.
 *
 * 1. Text and JSON are told from the same structures; with --json - there is no text.
 * 2. What is damaged is listed and counted, and never ends the listing. */
#include "cli.h"
#include "interrupt.h"
#include "output.h"
#include "walk_live.h"
#include "walk_space.h"
#include "../base/mem.h"
#include "../base/text.h"
#include "../machine/image.h"
#include <stdlib.h>
#include <string.h>

enum walk_key { KEY_ROOT = 0x200, KEY_FORMAT, KEY_PROCESS, KEY_ACCESS, KEY_SUPERVISOR, KEY_ALL, KEY_PAGES, KEY_FIND, KEY_JSON, KEY_PID };
enum { WALK_ADDRESSES = 1024, NOT_TRANSLATED = 1 };

static const struct argp_option walk_options[] = {
	{ "root", KEY_ROOT, "ADDRESS", 0, "physical address of the top-level table: CR3, satp's frame times 4096, TTBR" },
	{ "format", KEY_FORMAT, "NAME", 0, "page-table format (default: what the image says, else x86-64; 'help' lists them)" },
	{ "process", KEY_PROCESS, "N", 0, "the root of this process in IMAGE.roots, or of this CPU in a core" },
	{ "pid", KEY_PID, "PID", 0, "no image: a process that runs on this computer, as far as /proc tells" },
	{ "access", KEY_ACCESS, "KIND", 0, "load (default), store or fetch" },
	{ "supervisor", KEY_SUPERVISOR, NULL, 0, "the access is the kernel's, not the user's" },
	{ "all", KEY_ALL, NULL, 0, "list everything that is mapped: ranges with their rights" },
	{ "pages", KEY_PAGES, NULL, 0, "with --all: every page, with its frame and flags" },
	{ "find", KEY_FIND, "ADDRESS", 0, "list every virtual address that maps this physical one" },
	{ "json", KEY_JSON, "FILE", 0, "the same as JSON ('-': standard output, instead of the text)" },
	{ "output", 'o', "FILE", 0, "where the text goes (default: standard output)" },
	{ 0 },
};

struct walk_verb {
	const char *image_name, *format_name;
	uint32_t pid;            /* 0: an image */
	struct walk_live *live;
	bool translates;         /* all addresses do */
	struct pw_why why;       /* of rendering */
	uint64_t root, process, find, address[WALK_ADDRESSES];
	bool root_given, process_given, find_given, all, pages;
	unsigned n_addresses;
	enum access_kind kind;
	bool supervisor;
	struct output text, json;
	struct image *image;
	const struct ptfmt *format;
	struct explain *explained; /* one for each address */
};

static uint64_t address_read(const char *option, const char *arg)
{
	uint64_t v;
	if (text_size(arg, &v, NULL) != PW_OK)
		exit(cli_error("%s%s'%s' is not an address; write one such as 0x7f0012345678", option, *option ? ": " : "", arg));
	return v;
}

static enum access_kind access_read(const char *arg)
{
	const char *names[ACCESS_KINDS];
	enum access_kind kind;
	if (access_find(arg, &kind))
		return kind;
	for (unsigned i = 0; i < ACCESS_KINDS; i++)
		names[i] = access_name((enum access_kind)i);
	exit(cli_unknown("access", arg, names, ACCESS_KINDS));
}

static error_t walk_word(struct walk_verb *v, char *arg)
{
	if (!v->image_name && !v->pid)
		v->image_name = arg;
	else if (v->n_addresses == WALK_ADDRESSES)
		exit(cli_error("%s: at most %d addresses at a time", arg, WALK_ADDRESSES));
	else
		v->address[v->n_addresses++] = address_read("", arg);
	return 0;
}

/* A word that came before --pid was an address. */
static error_t walk_pid(struct walk_verb *v, const char *arg)
{
	uint64_t pid;
	if (text_u64(arg, &pid, NULL) != PW_OK || pid == 0 || pid > UINT32_MAX / 2)
		exit(cli_error("--pid: '%s' is no process number", arg));
	v->pid = (uint32_t)pid;
	if (v->image_name)
		v->address[v->n_addresses++] = address_read("", v->image_name);
	v->image_name = NULL;
	return 0;
}

static error_t walk_parse(int key, char *arg, struct argp_state *state)
{
	struct walk_verb *v = state->input;
	switch (key) {
	case KEY_ROOT:
		v->root = address_read("--root", arg);
		v->root_given = true;
		break;
	case KEY_FORMAT: v->format_name = arg; break;
	case KEY_PROCESS:
		v->process = address_read("--process", arg);
		v->process_given = true;
		break;
	case KEY_PID: return walk_pid(v, arg);
	case KEY_ACCESS: v->kind = access_read(arg); break;
	case KEY_SUPERVISOR: v->supervisor = true; break;
	case KEY_ALL: v->all = true; break;
	case KEY_PAGES: v->pages = true; break;
	case KEY_FIND:
		v->find = address_read("--find", arg);
		v->find_given = true;
		break;
	case KEY_JSON: v->json.name = arg; break;
	case 'o': v->text.name = arg; break;
	case ARGP_KEY_ARG: return walk_word(v, arg);
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp walk_argp = {
	walk_options, walk_parse, "IMAGE|--pid PID [ADDRESS...]",
	"Explains how virtual addresses translate by the page tables in a memory image: how the address is cut into indexes, which entry "
	"each of them picks, what it says, where the walk fails and what would make it work.  IMAGE is a raw physical image (as 'pageworks "
	"run --dump' writes), an ELF core with physical addresses (QEMU's dump-guest-memory, kdump), or a LiME file.\v"
	"The status is 1 when an address does not translate.\n\n"
	"Examples:\n"
	"  pageworks walk memory.img 0x12345678              roots are in memory.img.roots\n"
	"  pageworks walk --root 0x1aa000 guest.elf 0xffffffff81000000 --supervisor\n"
	"  pageworks walk guest.elf --all                    what is mapped, by the CR3 that the core carries\n"
	"  pageworks walk guest.elf --find 0x7e00000         who maps this frame?\n"
	"  pageworks walk --pid 1234 0x7f0012345678          a process of this computer\n"
	"  pageworks walk --json - memory.img 0x12345678",
	NULL, NULL, NULL,
};

static int walk_words(struct walk_verb *v, int argc, char **argv)
{
	const struct argp_option *const lists[] = { walk_options };
	if (cli_check_options(argc, argv, lists, 1) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&walk_argp, argc, argv, 0, NULL, v);
	if (v->format_name && strcmp(v->format_name, "help") == 0)
		return CLI_OK;
	if (!v->image_name && !v->pid)
		return cli_error("which memory? give an image: raw, an ELF core or a LiME file; or --pid PID");
	if (v->pid && (v->root_given || v->format_name || v->process_given || v->pages || v->supervisor))
		return cli_error("--pid: the tables of a running process are the kernel's; --root, --format, --process, --pages and "
		                 "--supervisor are about images");
	if (!v->n_addresses && !v->all && !v->find_given)
		return cli_error("which address? give some, or --all, or --find ADDRESS");
	if (v->n_addresses + v->all + v->find_given > (v->n_addresses ? v->n_addresses : 1u))
		return cli_error("addresses, --all and --find exclude each other");
	return CLI_OK;
}

/* ---- where the tables begin ---- */

static int format_set(struct walk_verb *v, const char *name)
{
	const char *names[32];
	unsigned n = 0;
	v->format = ptfmt_find(name);
	if (v->format)
		return CLI_OK;
	for (; n < 32 && ptfmt_at(n); n++)
		names[n] = ptfmt_at(n)->name;
	return cli_unknown("--format", name, names, n);
}

struct root_line {
	uint64_t pid, root;
	char format[32];
};

/* The line of a roots file that is wanted.  => CLI_FAILED: said; *found tells whether there was one */
static int roots_choose(const struct walk_verb *v, FILE *f, const char *name, struct root_line *ret, bool *found)
{
	char *line = NULL, list[256] = "";
	size_t size = 0, at = 0;
	unsigned n = 0;
	while (getline(&line, &size, f) >= 0) {
		struct root_line r;
		unsigned long long pid, root;
		if (sscanf(line, "pid %llu format %31s root 0x%llx", &pid, r.format, &root) != 3)
			continue;
		r.pid = pid;
		r.root = root;
		n++;
		if (at < sizeof list)
			at += (size_t)snprintf(list + at, sizeof list - at, "%s%llu", n > 1 ? ", " : "", pid);
		if (!v->process_given || r.pid == v->process) {
			*ret = r;
			*found = true;
		}
	}
	mem_free(line);
	if (v->process_given && !*found)
		return cli_error("--process %llu: %s has the processes %s", (unsigned long long)v->process, name, list);
	if (!v->process_given && n > 1)
		return cli_error("%s has %u processes: choose one with --process (%s)", name, n, list);
	return CLI_OK;
}

static int root_from_file(struct walk_verb *v, bool *found)
{
	struct root_line r = { 0 };
	char *name = mem_printf("%s.roots", v->image_name);
	if (!name)
		return cli_error("out of memory");
	FILE *f = fopen(name, "r");
	int status = f ? roots_choose(v, f, name, &r, found) : CLI_OK;
	if (f)
		fclose(f);
	mem_free(name);
	if (status != CLI_OK || !*found)
		return status;
	v->root = r.root;
	return v->format_name ? CLI_OK : format_set(v, r.format);
}

static int root_from_cpu(struct walk_verb *v)
{
	unsigned n = image_n_cpus(v->image);
	uint64_t i = v->process_given ? v->process : 0;
	if (n == 0)
		return cli_error("%s: it does not say where its page tables begin; give --root ADDRESS", v->image_name);
	if (i >= n)
		return cli_error("--process %llu: the core has %u CPUs, numbered from 0", (unsigned long long)i, n);
	struct image_cpu c = image_cpu_at(v->image, (unsigned)i);
	if (!c.paging)
		return cli_error("%s: CPU %llu had paging off; give --root ADDRESS", v->image_name, (unsigned long long)i);
	v->root = c.root.v;
	if (v->format_name)
		return CLI_OK;
	if (!c.format)
		return cli_error("%s: CPU %llu used a format that is not known here; name one with --format", v->image_name,
		                 (unsigned long long)i);
	return format_set(v, c.format);
}

static int root_find(struct walk_verb *v)
{
	bool found = false;
	int status = format_set(v, v->format_name ? v->format_name : "x86-64");
	if (status != CLI_OK || v->root_given)
		return status;
	status = root_from_file(v, &found);
	return status != CLI_OK || found ? status : root_from_cpu(v);
}

/* ---- what is told ---- */

static paddr_t root_address(const struct walk_verb *v)
{
	return paddr(v->root & ~((1ull << v->format->page_shift) - 1));
}

/* => whether all translate */
static bool addresses_explain(struct walk_verb *v)
{
	struct memory_view view = image_view(v->image);
	bool all = true;
	for (unsigned i = 0; i < v->n_addresses; i++) {
		struct explain_want want = { vaddr(v->address[i]), v->kind, !v->supervisor };
		explain_walk(v->format, &view, root_address(v), &want, &v->explained[i]);
		all &= v->explained[i].fault == MACHINE_FAULT_NONE;
	}
	return all;
}

static enum pw_err text_render(void *ctx, FILE *out)
{
	const struct walk_verb *v = ctx;
	struct memory_view view = image_view(v->image);
	if (v->all)
		return walk_space_print(v->format, &view, root_address(v), v->pages, out);
	if (v->find_given)
		return walk_find_print(v->format, &view, root_address(v), paddr(v->find), out);
	for (unsigned i = 0; i < v->n_addresses; i++) {
		if (i)
			fputc('\n', out);
		explain_print(&v->explained[i], out);
	}
	return PW_OK;
}

static enum pw_err json_render(void *ctx, FILE *out)
{
	const struct walk_verb *v = ctx;
	struct memory_view view = image_view(v->image);
	struct jsonw j;
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "kind", "walk");
	jsonw_string(&j, "image", v->image_name);
	jsonw_string(&j, "image_kind", image_kind(v->image));
	jsonw_u64(&j, "image_bytes", image_bytes(v->image));
	jsonw_string(&j, "format", v->format->name);
	jsonw_hex(&j, "root", root_address(v).v);
	if (v->all)
		walk_space_json(v->format, &view, root_address(v), v->pages, &j);
	if (v->find_given)
		walk_find_json(v->format, &view, root_address(v), paddr(v->find), &j);
	if (v->n_addresses)
		jsonw_array(&j, "walks");
	for (unsigned i = 0; i < v->n_addresses; i++)
		explain_json(&v->explained[i], NULL, &j);
	if (v->n_addresses)
		jsonw_end(&j);
	jsonw_end(&j);
	return jsonw_finish(&j);
}

/* ---- a running process ---- */

static enum pw_err live_tell(struct walk_verb *v, FILE *out, struct jsonw *j)
{
	enum pw_err err = PW_OK;
	v->translates = true;
	if (v->all)
		return walk_live_all(v->live, out, j, &v->why);
	if (v->find_given)
		return walk_live_find(v->live, v->find, out, j, &v->why);
	for (unsigned i = 0; !err && i < v->n_addresses; i++) {
		bool translates = false;
		if (i && out)
			fputc('\n', out);
		err = walk_live_address(v->live, v->address[i], v->kind, out, j, &translates, &v->why);
		v->translates &= translates;
	}
	return err;
}

static enum pw_err live_text(void *ctx, FILE *out) { return live_tell(ctx, out, NULL); }

static enum pw_err live_json(void *ctx, FILE *out)
{
	struct walk_verb *v = ctx;
	struct jsonw j;
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "kind", "walk");
	jsonw_u64(&j, "pid", v->pid);
	jsonw_array(&j, v->all ? "ranges" : v->find_given ? "found" : "walks");
	enum pw_err err = live_tell(v, NULL, &j);
	jsonw_end(&j);
	jsonw_end(&j);
	return err ? err : jsonw_finish(&j);
}

static int live_work(struct walk_verb *v)
{
	if (walk_live_open(v->pid, &v->live, &v->why) != PW_OK)
		return cli_error("%s", v->why.text);
	v->text.why = v->json.why = &v->why;
	if (outputs_open(&v->text, &v->json) != CLI_OK || outputs_write(&v->text, live_text, &v->json, live_json, v) != CLI_OK)
		return CLI_FAILED;
	return v->translates ? CLI_OK : NOT_TRANSLATED;
}

static int walk_work(struct walk_verb *v)
{
	struct pw_why why = { "" };
	if (image_open(v->image_name, &v->image, &why) != PW_OK)
		return cli_error("%s", why.text);
	int status = root_find(v);
	v->explained = mem_alloc((v->n_addresses + 1) * sizeof *v->explained);
	if (!v->explained)
		return cli_error("out of memory");
	if (status != CLI_OK || outputs_open(&v->text, &v->json) != CLI_OK)
		return CLI_FAILED;
	bool translated = addresses_explain(v);
	if (outputs_write(&v->text, text_render, &v->json, json_render, v) != CLI_OK)
		return CLI_FAILED;
	return translated ? CLI_OK : NOT_TRANSLATED;
}

static int formats_list(void)
{
	for (unsigned i = 0; ptfmt_at(i); i++)
		printf("%-12s %s\n", ptfmt_at(i)->name, ptfmt_at(i)->title);
	return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

int cli_walk(int argc, char **argv)
{
	struct walk_verb v = {
		.text = { .option = "--output", .what = "text" }, .json = { .option = "--json", .what = "JSON" },
	};
	int status = walk_words(&v, argc, argv);
	if (status != CLI_OK)
		return status;
	if (v.format_name && strcmp(v.format_name, "help") == 0)
		return formats_list();
	status = v.pid ? live_work(&v) : walk_work(&v);
	output_close(&v.text);
	output_close(&v.json);
	mem_free(v.explained);
	image_close(v.image);
	walk_live_close(v.live);
	return status;
}
