/* log_lines.c - sends lines to log_collector.
 *
 *     log_lines NAME < lines
 *
 * A line begins with its level, 0 (debug) to 3 (error), and a blank.
 */
#include <sill.h>

#include <stdio.h>
#include <string.h>

static int send_lines(sill_queue *queue)
{
    char line[600];
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t size = strcspn(line, "\r\n");
        if (size < 2 || line[0] < '0' || line[0] > '3' || line[1] != ' ') {
            fprintf(stderr, "not a level and a line: %.*s\n", (int)size, line);
            continue;
        }
        int status = sill_queue_send(queue, line + 2, size - 2, (unsigned)(line[0] - '0'), 5000);
        if (status != SILL_OK) /* CLOSED or DIED: the collector has gone */
            return status;
    }
    return SILL_OK;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: log_lines NAME\n");
        return 2;
    }
    sill_queue *queue;
    int status = sill_queue_open(&queue, argv[1], NULL);
    if (status == SILL_OK) {
        status = send_lines(queue);
        sill_queue_close(queue);
    }
    if (status != SILL_OK)
        fprintf(stderr, "%s: %s\n", sill_status_name(status), sill_last_error()->message);
    return status == SILL_OK ? 0 : 1;
}
