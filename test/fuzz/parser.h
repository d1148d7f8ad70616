/* One run of the image parser as the module runs it, and what must hold if it accepts. */
#ifndef PARSER_H
#define PARSER_H

#include <stddef.h>
#include <stdint.h>

/* Returns 1 if the image was accepted. Aborts when something that was accepted may not be. */
int parse_once(const uint8_t *data, size_t size);

#endif /* PARSER_H */
