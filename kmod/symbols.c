// SPDX-License-Identifier: GPL-2.0
/*
 * Unexported symbols, resolved by name when the module is loaded.
 *
 * kallsyms_lookup_name() itself has not been exported since Linux 5.7
 * (0bd476e6c671), but a kprobe may be placed by name and then tells the
 * address.
 */
#include <linux/kprobes.h>
#include <linux/seq_buf.h>
#include <linux/utsname.h>

#include "crctl.h"

#define CRCTL_SYM(ret, name, args) DEFINE_STATIC_CALL_NULL(crctl_##name, ret args);
#include "symbols_list.h"

DECLARE_STATIC_CALL(crctl_kallsyms_lookup_name, unsigned long (const char *name))
DEFINE_STATIC_CALL_NULL(crctl_kallsyms_lookup_name, unsigned long (const char *name));

struct crctl_symbols crctl_symbols __ro_after_init;

/* Older kernels do not take a void pointer. */
#define SET_CALL(name, addr)							\
	static_call_update(crctl_##name,					\
			   (typeof(&STATIC_CALL_TRAMP(crctl_##name)))(addr))

static int find_kallsyms_lookup_name(void)
{
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name" };
	int err;

	err = register_kprobe(&kp);
	if (err) {
		pr_err("no address of kallsyms_lookup_name, a kprobe on it fails with %d\n", err);
		return err;
	}
	unregister_kprobe(&kp);

	/*
	 * With IBT the address of the probe is behind the ENDBR of the
	 * function. A direct call may start there as well.
	 */
	SET_CALL(kallsyms_lookup_name, kp.addr);
	return 0;
}

static unsigned long lookup(const char *name, struct seq_buf *missing)
{
	unsigned long addr = static_call(crctl_kallsyms_lookup_name)(name);

	if (!addr)
		seq_buf_printf(missing, "%s%s", missing->len ? ", " : "", name);
	return addr;
}

/**
 * crctl_symbols_init() - find every symbol of symbols_list.h
 *
 * Return: 0, or -ENOENT when some are not there, which one line of the kernel
 * log then names; insmod(8) says "Unknown symbol in module".
 */
int crctl_symbols_init(void)
{
	const size_t size = 4096;
	struct seq_buf missing;
	unsigned long addr;
	char *text;
	int err;

	err = find_kallsyms_lookup_name();
	if (err)
		return err;

	text = kzalloc(size, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	seq_buf_init(&missing, text, size - 1);

#define CRCTL_SYM(ret, name, args)						\
	addr = lookup(#name, &missing);						\
	if (addr)								\
		SET_CALL(name, addr);
#define CRCTL_SYM_WAS(ret, name, old, args)					\
	addr = static_call(crctl_kallsyms_lookup_name)(#old) ?: lookup(#name, &missing); \
	if (addr)								\
		SET_CALL(name, addr);
#define CRCTL_DATA(type, name)							\
	crctl_symbols.name = (type *)lookup(#name, &missing);
#define CRCTL_OPT(type, name)							\
	crctl_symbols.name = (type *)static_call(crctl_kallsyms_lookup_name)(#name);
#define CRCTL_ADDR(name)							\
	crctl_symbols.name = lookup(#name, &missing);
#include "symbols_list.h"

	if (missing.len) {
		pr_err("cannot work with this kernel (%s): it has no symbol %s\n",
		       utsname()->release, text);
		err = -ENOENT;
	}
	kfree(text);
	return err;
}
