"""Only the cipher: Rabbit (RFC 4503) over a string of octets. Run it: python examples/only_rabbit.py"""

from smok_twisted.cipher.rabbit import compiled, make_cipher

key = bytes.fromhex("912813292E3D36FE3BFC62F1DC51C3AC")
iv = bytes.fromhex("C373F575C1267E59")

sealed = make_cipher(key, iv).process(b"burner off, 62.5 degrees")
print(sealed.hex())
print(make_cipher(key, iv).process(sealed).decode())
print("compiled" if compiled() else "pure Python")
