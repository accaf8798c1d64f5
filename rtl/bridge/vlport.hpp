// Verilated ports as arrays of 32-bit words: word 0 holds bits 31..0.
#pragma once
#include <cstdint>
#include <type_traits>

template <class T>
std::enable_if_t<std::is_integral_v<T>> put(T &port, const uint32_t *w, unsigned bits)
{
    uint64_t v = w[0];
    if (bits > 32)
        v |= uint64_t(w[1]) << 32;
    port = static_cast<T>(v);
}

template <class T>
std::enable_if_t<std::is_integral_v<T>> get(const T &port, uint32_t *w, unsigned bits)
{
    w[0] = static_cast<uint32_t>(port);
    if (bits > 32)
        w[1] = static_cast<uint32_t>(uint64_t(port) >> 32);
}

// VlWide<N>: an object with operator[] of 32-bit words.
template <class T>
std::enable_if_t<!std::is_integral_v<T>> put(T &port, const uint32_t *w, unsigned bits)
{
    for (unsigned i = 0; i < (bits + 31) / 32; i++)
        port[i] = w[i];
}

template <class T>
std::enable_if_t<!std::is_integral_v<T>> get(const T &port, uint32_t *w, unsigned bits)
{
    for (unsigned i = 0; i < (bits + 31) / 32; i++)
        w[i] = port[i];
}
