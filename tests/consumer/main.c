/* main.c - uses one function of each public header; the library must be found and be this one. */
#include <sill.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    char wanted[40];
    snprintf(wanted, sizeof wanted, "%d.%d.%d", SILL_VERSION_MAJOR, SILL_VERSION_MINOR,
             SILL_VERSION_PATCH);
    if (strcmp(sill_version(), wanted) != 0)
        return 1;
    if (strcmp(sill_path_name(SILL_PATH_MAPPED), "mapped") != 0)
        return 2;

    sill_region *region = NULL;
    if (sill_region_create(&region, NULL, 4096, NULL) != 0)
        return 3;
    memset(sill_region_data(region), 1, sill_region_size(region));
    sill_region_close(region);

    sill_channel *channel = NULL;
    if (sill_channel_connect(&channel, "consumer-nobody", NULL, 0) != SILL_NOT_FOUND)
        return 4;
    sill_port *port = NULL;
    if (sill_connect(&port, "not a name", NULL) != SILL_INVALID ||
        sill_last_error()->message[0] == '\0')
        return 5;
    printf("C: sill %s\n", sill_version());
    return 0;
}
