// Boost.Interprocess's message_queue for src/contestants/boost.rs. 1: done, 0: not now, -1: an error.

#include <boost/interprocess/ipc/message_queue.hpp>
#include <cstdint>

using boost::interprocess::message_queue;

extern "C" {

void* comparison_boost_open(const char* name, size_t messages, size_t bytes) {
    try {
        return new message_queue(boost::interprocess::open_or_create, name, messages, bytes);
    } catch (...) {
        return nullptr;
    }
}

void comparison_boost_close(void* queue) { delete static_cast<message_queue*>(queue); }

void comparison_boost_remove(const char* name) { message_queue::remove(name); }

int comparison_boost_send(void* queue, const uint8_t* bytes, size_t length) {
    try {
        static_cast<message_queue*>(queue)->send(bytes, length, 0);
        return 1;
    } catch (...) {
        return -1;
    }
}

int comparison_boost_receive(void* queue, uint8_t* bytes, size_t length) {
    try {
        message_queue::size_type received;
        unsigned priority;
        static_cast<message_queue*>(queue)->receive(bytes, length, received, priority);
        return received == length ? 1 : -1;
    } catch (...) {
        return -1;
    }
}

int comparison_boost_try_receive(void* queue, uint8_t* bytes, size_t length) {
    try {
        message_queue::size_type received;
        unsigned priority;
        if (!static_cast<message_queue*>(queue)->try_receive(bytes, length, received, priority)) {
            return 0;
        }
        return received == length ? 1 : -1;
    } catch (...) {
        return -1;
    }
}
}
