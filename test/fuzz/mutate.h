/*
 * Structure-aware mutation of images and exec manifests: what a random flip of
 * bits would never get past the first checks with.
 */
#ifndef MUTATE_H
#define MUTATE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Change the image of @size bytes in @data, which has room for @max, in one to
 * four ways. The same @seed makes the same changes. Returns the new size, at
 * most @max. Input of any kind will do; what is no image has bytes changed.
 */
size_t mutate_image(uint8_t *data, size_t size, size_t max, uint64_t seed);

/* What kinds of fields (fields.h) the last mutate_image() changed, a bit for each. */
extern uint32_t mutated_kinds;

/* A generator of its own: a run is told again by its seed (xorshift64*). */
struct rng {
	uint64_t state;
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* 0 <= the result < @n; 0 if @n is 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* Change @width bytes (4 or 8) at @p to a value that checks are made against, or one beside the old one. */
void change_word(struct rng *r, uint8_t *p, size_t width);

#endif /* MUTATE_H */
