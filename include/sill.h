/* sill.h - everything of sill.
 *
 * sill is local inter-process communication in the style of Windows LPC, on every platform: small
 * messages are copied, large ones cross in mapped memory, and the threshold between the two is
 * measured on the user's machine.
 *
 *   sill/port.h     servers and ports: calls, replies, datagrams. Begin here.
 *   sill/policy.h   which path a message takes
 *   sill/channel.h  framed channels by themselves
 *   sill/pipe.h     byte streams, and child processes at their ends
 *   sill/queue.h    queues of messages with priorities
 *   sill/region.h   shared memory by itself
 *   sill/pool.h     memory in which several processes allocate
 *   sill/sync.h     mutexes, semaphores, events and their like between processes
 *   sill/system.h   what lives on this machine, and what the machine allows
 *   sill/status.h   what functions return
 */
#ifndef SILL_H
#define SILL_H

#include <sill/channel.h>
#include <sill/pipe.h>
#include <sill/policy.h>
#include <sill/pool.h>
#include <sill/port.h>
#include <sill/queue.h>
#include <sill/region.h>
#include <sill/status.h>
#include <sill/sync.h>
#include <sill/system.h>

#endif
