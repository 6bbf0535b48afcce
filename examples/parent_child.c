/* parent_child.c - a parent and a child that talk over pipes.
 *
 *     parent_child NUMBER...
 *
 * Starts itself once more as a child, which knows nothing of sill: it reads numbers from its
 * standard input and writes their squares to its standard output.
 */
#include <sill.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int be_child(void)
{
    long number;
    while (scanf("%ld", &number) == 1) {
        printf("%ld\n", number * number);
        fflush(stdout);
    }
    return 3; /* to see that it arrives */
}

/* Reads to the end of a line. Bytes come as they are: a line may need several reads. */
static int read_line(sill_pipe *pipe, char *line, size_t size)
{
    size_t used = 0, got;
    while (used + 1 < size) {
        int status = sill_pipe_read(pipe, line + used, 1, &got, 5000);
        if (status != SILL_OK)
            return status;
        if (line[used] == '\n')
            break;
        if (line[used] != '\r')
            used++;
    }
    line[used] = '\0';
    return SILL_OK;
}

static int ask(sill_child_options *with, const char *number)
{
    char line[64];
    int status = sill_pipe_write(with->in.pipe, number, strlen(number), NULL, 5000);
    if (status == SILL_OK)
        status = sill_pipe_write(with->in.pipe, "\n", 1, NULL, 5000);
    if (status == SILL_OK)
        status = read_line(with->out.pipe, line, sizeof line);
    if (status == SILL_OK)
        printf("%s squared is %s\n", number, line);
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--child") == 0)
        return be_child();
    const char *const child_arguments[] = {argv[0], "--child", NULL};
    sill_child_options with = SILL_CHILD_OPTIONS_INIT;
    with.in.how = with.out.how = SILL_CHILD_PIPE; /* errors go where ours go */
    sill_child *child;
    int code = 0;
    int status = sill_child_start(&child, child_arguments, &with);
    if (status == SILL_OK) {
        for (int i = 1; i < argc && status == SILL_OK; i++)
            status = ask(&with, argv[i]);
        sill_pipe_close(with.in.pipe); /* the child sees the end of its input, and ends */
        sill_pipe_close(with.out.pipe);
        if (status == SILL_OK)
            status = sill_child_wait(child, &code, 5000);
        if (status == SILL_OK)
            printf("the child ended with status %d\n", code);
        sill_child_close(child);
    }
    if (status != SILL_OK)
        fprintf(stderr, "%s: %s\n", sill_status_name(status), sill_last_error()->message);
    return status == SILL_OK ? 0 : 1;
}
