// Rabbit of Crypto++ (Debian: libcrypto++-dev). Speaks as rabbit_perl.pl does.
#include <cryptopp/rabbit.h>
#include <cstdio>
#include <iostream>
#include <vector>

int main() {
    CryptoPP::byte key[16], zeros[32] = {0}, first[32];
    for (int i = 0; i < 16; i++) key[i] = i;
    CryptoPP::Rabbit::Encryption cipher;
    cipher.SetKey(key, sizeof key);
    cipher.ProcessData(first, zeros, sizeof first);
    for (int i = 0; i < 32; i++) std::printf("%02x", first[i]);
    std::cout << std::endl;
    std::vector<CryptoPP::byte> text(1 << 20), mebibyte(1 << 20);
    for (int times; std::cin >> times; std::cout << "done" << std::endl)
        while (times--) cipher.ProcessData(text.data(), mebibyte.data(), text.size());
}
