/* addr.h - the words addresses are counted in.
 *
 * Every kind of address is a one-word struct, so the compiler refuses to mix them, and this header is the only place that
 * converts.  The structs cost nothing: they live in registers like the integers they wrap.
 *
 *   vaddr_t   a virtual address, in bytes           vpn_t    a virtual page number
 *   paddr_t   a physical address, in bytes          pfn_t    a physical frame number
 *   pte_t     one raw page-table entry              pgidx_t  a page's index within an object
 *
 * A range is a first page and a count: it can be empty, and it can end at the top of the address space without wrapping. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef struct { uint64_t v; } vaddr_t;
typedef struct { uint64_t v; } paddr_t;
typedef struct { uint64_t v; } vpn_t;
typedef struct { uint64_t v; } pfn_t;
typedef struct { uint64_t v; } pte_t;
typedef struct { uint64_t v; } pgidx_t;

struct vpn_range {
	vpn_t first;
	uint64_t count;
};

static const pfn_t PFN_NONE = { UINT64_MAX };

static inline vaddr_t vaddr(uint64_t v) { return (vaddr_t){ v }; }
static inline paddr_t paddr(uint64_t v) { return (paddr_t){ v }; }
static inline vpn_t vpn(uint64_t v) { return (vpn_t){ v }; }
static inline pfn_t pfn(uint64_t v) { return (pfn_t){ v }; }
static inline pte_t pte(uint64_t v) { return (pte_t){ v }; }
static inline pgidx_t pgidx(uint64_t v) { return (pgidx_t){ v }; }

static inline bool pfn_is_none(pfn_t f) { return f.v == UINT64_MAX; }

/* Between bytes and pages of 2^shift bytes. */
static inline vpn_t vpn_of(vaddr_t a, unsigned shift) { return vpn(a.v >> shift); }
static inline pfn_t pfn_of(paddr_t a, unsigned shift) { return pfn(a.v >> shift); }
static inline vaddr_t vpn_addr(vpn_t n, unsigned shift) { return vaddr(n.v << shift); }
static inline paddr_t pfn_addr(pfn_t n, unsigned shift) { return paddr(n.v << shift); }
static inline vaddr_t vaddr_add(vaddr_t a, uint64_t bytes) { return vaddr(a.v + bytes); }
static inline paddr_t paddr_add(paddr_t a, uint64_t bytes) { return paddr(a.v + bytes); }
static inline vpn_t vpn_add(vpn_t n, uint64_t pages) { return vpn(n.v + pages); }
static inline pgidx_t pgidx_add(pgidx_t i, uint64_t pages) { return pgidx(i.v + pages); }

static inline struct vpn_range vpn_range(vpn_t first, uint64_t count) { return (struct vpn_range){ first, count }; }
static inline bool vpn_range_has(struct vpn_range r, vpn_t n) { return n.v - r.first.v < r.count; }
static inline uint64_t vpn_range_end(struct vpn_range r) { return r.first.v + r.count; } /* one past the last */
