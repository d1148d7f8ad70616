/*
 * The fields of an image by what they mean. Random words of random notes hit a
 * selector or a restart block once in thousands of runs; each of these kinds
 * is hit all the time.
 */
#ifndef FIELDS_H
#define FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mutate.h"

enum field_kind {
	FIELD_ADDRESS, FIELD_FLAGS, FIELD_COUNT, FIELD_OFFSET, FIELD_LENGTH, FIELD_SELECTOR, FIELD_EFLAGS,
	FIELD_XSTATE, FIELD_RESTART, FIELD_DESCRIPTOR,
	NR_FIELD_KINDS
};

/* A note's type and description. */
struct note_desc {
	uint32_t type;
	uint8_t *data;
	size_t len;
};

/* For people: "selectors". */
const char *field_kind_name(enum field_kind kind);

/* Change a field of that kind, or let two of them change places. False: the image has none. */
bool change_typed(struct rng *r, enum field_kind kind, const struct note_desc *notes, size_t nr);

#endif /* FIELDS_H */
