/* log_collector.c - collects lines from any number of programs, the urgent ones first.
 *
 *     log_collector NAME COUNT
 *
 * Makes a queue and prints COUNT lines of it with their levels. While it writes, or is not there to
 * read, lines wait in the queue in the order of their levels. The lines are sent by log_lines.
 */
#include <sill.h>

#include <stdio.h>
#include <stdlib.h>

static const char *const levels[] = {"debug", "info", "warning", "error"};

static int collect(sill_queue *queue, long count)
{
    while (count-- > 0) {
        char line[512];
        size_t size;
        unsigned priority;
        int status = sill_queue_receive(queue, line, sizeof line, &size, &priority, -1);
        if (status != SILL_OK)
            return status;
        printf("%-7s %.*s\n", levels[priority < 4 ? priority : 3], (int)size, line);
        fflush(stdout);
    }
    return SILL_OK;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: log_collector NAME COUNT\n");
        return 2;
    }
    sill_queue_options options = SILL_QUEUE_OPTIONS_INIT;
    options.message_max = 512; /* a longer line is refused at its sender */
    sill_queue *queue;
    int status = sill_queue_create(&queue, argv[1], &options);
    if (status == SILL_OK) {
        fprintf(stderr, "collecting as %s\n", argv[1]);
        status = collect(queue, strtol(argv[2], NULL, 10));
        sill_queue_close(queue);
    }
    if (status != SILL_OK)
        fprintf(stderr, "%s: %s\n", sill_status_name(status), sill_last_error()->message);
    return status == SILL_OK ? 0 : 1;
}
