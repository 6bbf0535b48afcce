// boost.cpp - Boost.Interprocess: two message queues in shared memory, one each way. Their names
// are gone before the second process starts.
#include "baseline.h"

#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <string>

#include <boost/interprocess/ipc/message_queue.hpp>

namespace ipc = boost::interprocess;

static std::unique_ptr<ipc::message_queue> queues[2]; // by the side that sends

static int prepare(struct side *side)
{
    const std::size_t room = side->size_max <= 65536 ? 64 : 2;

    try {
        for (int i = 0; i < 2; i++) {
            const std::string name = std::string(side->token) + "-" + std::to_string(i);

            queues[i] = std::make_unique<ipc::message_queue>(
                ipc::create_only, name.c_str(), room, side->size_max, ipc::permissions(0600));
            ipc::message_queue::remove(name.c_str());
        }
    } catch (const std::exception &e) {
        return baseline_fail(e.what(), 0);
    }
    return 0;
}

static inline int put(struct side *side, uint64_t word)
{
    try {
        std::memcpy(side->out, &word, sizeof word);
        queues[side->number]->send(side->out, side->size, 0);
    } catch (const std::exception &e) {
        return baseline_fail(e.what(), 0);
    }
    return 0;
}

static inline int get(struct side *side, uint64_t *word)
{
    ipc::message_queue::size_type size;
    unsigned priority;

    try {
        queues[1 - side->number]->receive(side->in, side->size_max, size, priority);
        std::memcpy(word, side->in, sizeof *word);
    } catch (const std::exception &e) {
        return baseline_fail(e.what(), 0);
    }
    return 0;
}

#include "loops.h"

extern "C" const struct baseline baseline = {
    .name = "boost",
    .about = "Sends and receives over two message queues of Boost.Interprocess.",
    .wait = "block",
    .shared_size = 0,
    .prepare = prepare,
    .begin = nullptr,
    .end = nullptr,
    .part = nullptr,
    .latency = loops_latency,
    .answer = loops_answer,
    .stream = loops_stream,
    .sink = loops_sink,
    .alone = nullptr,
};
