# SPDX-License-Identifier: GPL-2.0
#
# Which headers does the kernel have? Where something moved into a header of its
# own, this tells better than a version, and sparse knows no __has_include().

crctl-have = $(if $(wildcard $(srctree)/include/linux/$(1)),-DCRCTL_HAVE_$(2))

ccflags-y += $(call crctl-have,hex.h,HEX_H)
ccflags-y += $(call crctl-have,sched/exec_state.h,EXEC_STATE_H)
ccflags-y += $(call crctl-have,leafops.h,LEAFOPS_H)
ccflags-y += $(call crctl-have,rseq_types.h,RSEQ_TYPES_H)
ccflags-y += $(call crctl-have,futex_types.h,FUTEX_TYPES_H)
ccflags-y += $(call crctl-have,vdso_datastore.h,VDSO_DATASTORE_H)

# And what is in them? Where a field was moved.
crctl-has = $(if $(shell sed -n '/^struct $(2) {/,/^}/{/[ *]$(3);/p}' $(srctree)/include/linux/$(1)),-DCRCTL_HAVE_$(4))

ccflags-y += $(call crctl-has,hugetlb.h,hugetlbfs_inode_info,resv_map,INODE_RESV_MAP)
