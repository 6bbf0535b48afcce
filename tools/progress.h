/* progress.h - a line on standard error that tells how far a long transfer is. */
#ifndef SILL_TOOLS_PROGRESS_H
#define SILL_TOOLS_PROGRESS_H

#include <sill.h>

/* Lets the options' progress callback draw the line, if standard error is a terminal. */
void progress_begin(sill_port_options *options);
/* Takes the line away. To be called before anything else is written to standard error. */
void progress_clear(void);

#endif
