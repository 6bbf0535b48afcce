/* What a port's family can do and what it cannot: that its traits say so, and its functions too.
 */
#include "port_rig.h"

static void traits_are_told(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    sill_port_traits traits = {.struct_size = sizeof traits};
    support_ok(sill_port_get_traits(port, &traits));
    assert_true((traits.can & SILL_CAN_MAP) != 0);
    assert_int_equal((sill_region_capabilities(rig_channel()->region) & SILL_REGION_SEALED) == 0,
                     traits.trusted_peer);
    assert_string_equal(sill_family_name(rig_channel()->family), traits.family);
    assert_string_equal(rig_channel()->name, traits.channel);
    assert_string_equal(sill_region_kind_name(rig_channel()->region), traits.region);
    assert_int_equal(rig_passes_handles(), traits.passes_handles);
    assert_int_equal(rig_polls(), traits.pollable);
    sill_port_close(port);
    rig_stop(&rig);
}

/* The names of families, both ways, and options that make no sense here. */
static void families_have_names(void **state)
{
    (void)state;
    for (int family = 0; family < SILL_FAMILY_COUNT; family++)
        assert_int_equal(family, sill_family_parse(sill_family_name(family)));
    assert_string_equal("?", sill_family_name(SILL_FAMILY_COUNT));
    assert_int_equal(-1, sill_family_parse("POSIX"));
    assert_int_equal(-1, sill_family_parse(NULL));
    for (int family = 1; family <= SILL_FAMILY_COUNT; family++) {
        char name[SUPPORT_NAME_SIZE];
        sill_server *server = NULL;
        sill_port *port = NULL;
        sill_port_options options = SILL_PORT_OPTIONS_INIT;
        options.family = family;
        support_name(name, "family");
        bool here = sill__channel_of_family(family) != NULL;
        int wanted = family == SILL_FAMILY_COUNT ? SILL_INVALID : SILL_UNSUPPORTED;
        support_status(here ? SILL_NOT_FOUND : wanted, sill_connect(&port, name, &options));
        support_status(here ? SILL_OK : wanted, sill_listen(&server, name, &options));
        sill_server_close(server);
    }
}

/* Where none can be passed that is said, and the connection goes on; and so for event loops. */
static void what_cannot_be_is_said(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    sill_handle handle = SILL_NO_HANDLE;
    sill_message reply = SILL_MESSAGE_INIT;
    if (!rig_polls()) {
        support_status(SILL_UNSUPPORTED, sill_port_pollable(port, &handle));
        support_status(SILL_UNSUPPORTED, sill_server_pollable(rig.server, &handle));
    }
    if (!rig_passes_handles()) {
        handle = 0; /* it is not looked at */
        sill_send_options options = SILL_SEND_OPTIONS_INIT;
        options.handles = &handle;
        options.handle_count = 1;
        support_status(SILL_UNSUPPORTED,
                       sill_call_with(port, "F", 1, &options, &reply, SUPPORT_PATIENCE_MS));
    }
    support_ok(sill_call(port, "!", 1, &reply, SUPPORT_PATIENCE_MS));
    sill_release(&reply);
    sill_port_close(port);
    rig_stop(&rig);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(traits_are_told),
    SUPPORT_TEST(families_have_names),
    SUPPORT_TEST(what_cannot_be_is_said),
};
SUPPORT_MAIN_ALONE(tests)
