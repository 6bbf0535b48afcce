// main.cpp - the public headers are C++ too.
#include <sill.h>

#include <cstdio>
#include <cstring>

int main()
{
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    sill_region *region = nullptr;
    options.size = 0;
    if (sill_region_create(&region, nullptr, 100, &options) != SILL_OK)
        return 1;
    std::memset(sill_region_data(region), 1, sill_region_size(region));
    sill_region_close(region);

    sill_channel_options channel = SILL_CHANNEL_OPTIONS_INIT;
    channel.access = SILL_ACCESS_USER;
    sill_channel *none = nullptr;
    if (sill_channel_connect(&none, "consumer-nobody", &channel, 0) != SILL_NOT_FOUND)
        return 2;
    std::printf("C++: sill %s\n", sill_version());
    return 0;
}
