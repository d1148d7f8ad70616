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

/* A generator of its own: a run is told again by its seed (xorshift64*). */
struct rng {
	uint64_t state;
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* 0 <= the result < @n; 0 if @n is 0. */
uint64_t rng_below(struct rng *r, uint64_t n);

#endif /* MUTATE_H */
