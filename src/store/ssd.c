/* ssd.c - the time a solid-state disk takes.
 *
 * Problem: a run that carries only addresses still wants to say how long its swapping would have taken.
 * Idea: a transfer costs a latency, longer for a read, which must reach the flash, than for a write, which ends in the device's
 * cache; and its bytes at the device's rate.  Where the slots lie does not matter.
 * The defaults are those of an ordinary NVMe disk; each is a parameter: ssd:read_ns=80000,write_ns=20000,bytes_per_s=2G. */
#include "../base/mem.h"
#include "kind.h"

struct ssd {
	struct store store;
	uint64_t read_ns, write_ns, bytes_per_s;
};

static uint64_t ssd_cost_ns(struct store *s, enum store_direction d, uint64_t slot, uint32_t n)
{
	const struct ssd *m = (struct ssd *)s;
	(void)slot;
	return (d == STORE_READ ? m->read_ns : m->write_ns) + store_transfer_ns(s, n, m->bytes_per_s);
}

static void ssd_close(struct store *s)
{
	mem_free(s);
}

static const struct store_ops ssd_ops = {
	.name = "ssd",
	.summary = "a model of a solid-state disk: time only",
	.read = store_model_read,
	.write = store_model_write,
	.discard = store_model_discard,
	.cost_ns = ssd_cost_ns,
	.close = ssd_close,
};

static enum pw_err ssd_open(const struct store_spec *spec, const struct store *like, struct store **ret, struct pw_why *why)
{
	struct ssd model = { .store = *like, .read_ns = 80000, .write_ns = 20000, .bytes_per_s = 2ull << 30 };
	const struct store_param param[] = {
		{ "read_ns", &model.read_ns },
		{ "write_ns", &model.write_ns },
		{ "bytes_per_s", &model.bytes_per_s },
	};
	enum pw_err err = store_params("ssd", spec->args, param, 3, why);
	struct ssd *m = err ? NULL : mem_alloc(sizeof *m);
	if (!m)
		return err ? err : pw_fail(why, PW_NOMEM, "store ssd: %s", pw_err_text(PW_NOMEM));
	*m = model;
	m->store.ops = &ssd_ops;
	*ret = &m->store;
	return PW_OK;
}

const struct store_kind store_kind_ssd = { .ops = &ssd_ops, .form = "ssd", .open = ssd_open };
