/* SPDX-License-Identifier: GPL-2.0-only */
/* What programs with sockets share. What fails ends the test. */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

/* Send that text and descriptor through a unix socket. */
void pass(int to, const char *text, int fd);

/* What comes is that text; returns the descriptor that came with it, and its sender, if the socket asks for that. */
int take(int from, const char *text, struct ucred *sender);

/* A UDP socket on the loopback device, and its address. */
int bound_udp(struct sockaddr_in *name);

/*
 * Datagrams that two processors send through the loopback device may change places: the thread stays on this one, until it
 * has its processors back, which are returned.
 */
cpu_set_t stay_on_processor(void);

/* What was sent has come, that many bytes at least: a busy kernel delivers it later, loopback device or not. */
void await_unread(int fd, size_t bytes);

#endif
