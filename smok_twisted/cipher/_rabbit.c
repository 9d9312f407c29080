/* The Rabbit stream cipher (RFC 4503), and SMOK/4 records of suite 1 sealed and opened in one call.
 *
 * The same face as Rabbit in rabbit.py and as RecordSealer and RecordOpener with RabbitSha1 in record.py,
 * which say what this does; the tests hold the two against each other. SHA-1 is from FIPS 180-4,
 * HMAC from RFC 2104. Plain C99, and Python's limited API: one binary serves every Python from 3.11 on.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdint.h>
#include <string.h>

#define KEY_OCTETS 16
#define IV_OCTETS 8
#define BLOCK_OCTETS 16
#define SALT_OCTETS 4
#define SHA1_BLOCK_OCTETS 64
#define MAC_KEY_OCTETS 20
#define TAG_OCTETS 8
#define MAX_BODY_OCTETS 255
#define MAX_RECORDS UINT32_MAX

/* Octets: big-endian, by shifts, so that neither alignment nor the machine's own order matters. */

static inline uint32_t load16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }

static inline uint32_t load32(const uint8_t *p) { return load16(p) << 16 | load16(p + 2); }

static inline void store32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static inline uint32_t rotl(uint32_t v, unsigned n) { return v << n | v >> (32 - n); }

/* Rabbit, RFC 4503. Counter Cj is the low (j even) or high (j odd) half of c[j / 2]: the carry runs from
 * counter to counter (section 2.5), so that in pairs there are half as many additions. */

typedef struct {
    uint32_t x[8];
    uint64_t c[4];
    uint64_t carry;
} State;

static inline uint64_t pair(uint32_t high, uint32_t low) { return (uint64_t)high << 32 | low; }

/* step + carry never overflows and is never 0, hence the sum wrapped exactly when it is below the counter. */
static inline uint64_t advance(uint64_t counter, uint64_t step, uint64_t *carry)
{
    uint64_t sum = counter + (step + *carry);
    *carry = sum < counter;
    return sum;
}

static inline uint32_t g(uint32_t x, uint64_t counter)
{
    uint64_t square = (uint32_t)(x + (uint32_t)counter);
    square *= square;
    return (uint32_t)(square ^ square >> 32);
}

/* Sections 2.5 and 2.6. Written out, so that the compiler keeps the whole state in registers. */
static inline void next_state(State *s)
{
    uint64_t b = s->carry;
    uint64_t c0 = s->c[0] = advance(s->c[0], 0xD34D34D34D34D34D, &b);
    uint64_t c2 = s->c[1] = advance(s->c[1], 0x4D34D34D34D34D34, &b);
    uint64_t c4 = s->c[2] = advance(s->c[2], 0x34D34D34D34D34D3, &b);
    uint64_t c6 = s->c[3] = advance(s->c[3], 0xD34D34D34D34D34D, &b);
    uint32_t g0 = g(s->x[0], c0), g1 = g(s->x[1], c0 >> 32);
    uint32_t g2 = g(s->x[2], c2), g3 = g(s->x[3], c2 >> 32);
    uint32_t g4 = g(s->x[4], c4), g5 = g(s->x[5], c4 >> 32);
    uint32_t g6 = g(s->x[6], c6), g7 = g(s->x[7], c6 >> 32);

    s->carry = b;
    s->x[0] = g0 + rotl(g7, 16) + rotl(g6, 16);
    s->x[1] = g1 + rotl(g0, 8) + g7;
    s->x[2] = g2 + rotl(g1, 16) + rotl(g0, 16);
    s->x[3] = g3 + rotl(g2, 8) + g1;
    s->x[4] = g4 + rotl(g3, 16) + rotl(g2, 16);
    s->x[5] = g5 + rotl(g4, 8) + g3;
    s->x[6] = g6 + rotl(g5, 16) + rotl(g4, 16);
    s->x[7] = g7 + rotl(g6, 8) + g5;
}

static void four_iterations(State *s)
{
    for (int i = 0; i < 4; i++)
        next_state(s);
}

/* Section 2.3, the first half: every subkey goes into one X and one C. */
static void expand_key(State *s, const uint8_t *key)
{
    uint32_t k[8], c[8];

    for (int j = 0; j < 8; j++)
        k[j] = load16(key + 14 - 2 * j);
    for (int j = 0; j < 8; j++) {
        uint32_t next = k[(j + 1) % 8], fourth = k[(j + 4) % 8], fifth = k[(j + 5) % 8];
        s->x[j] = j % 2 ? fifth << 16 | fourth : next << 16 | k[j];
        c[j] = j % 2 ? k[j] << 16 | next : fourth << 16 | fifth;
    }
    for (int i = 0; i < 4; i++)
        s->c[i] = pair(c[2 * i + 1], c[2 * i]);
    s->carry = 0;
}

/* Section 2.3, the end: the counters can no longer be stepped back to the key. */
static void modify_counters(State *s)
{
    for (int i = 0; i < 4; i++)
        s->c[i] ^= pair(s->x[(2 * i + 5) % 8], s->x[(2 * i + 4) % 8]);
}

static void key_setup(State *s, const uint8_t *key)
{
    expand_key(s, key);
    four_iterations(s);
    modify_counters(s);
}

/* Section 2.4; high and low are the halves of the IV. */
static void mix_iv(State *s, uint32_t high, uint32_t low)
{
    uint64_t first = pair((high & 0xFFFF0000) | low >> 16, low);
    uint64_t second = pair(high << 16 | (low & 0xFFFF), high);

    s->c[0] ^= first;
    s->c[1] ^= second;
    s->c[2] ^= first;
    s->c[3] ^= second;
}

static void iv_setup(State *s, uint32_t high, uint32_t low)
{
    mix_iv(s, high, low);
    four_iterations(s);
}

/* Sections 2.7 and 2.8: out = in XOR the next block. */
static inline void crypt_block(State *s, const uint8_t *in, uint8_t *out)
{
    next_state(s);
    store32(out, load32(in) ^ s->x[6] ^ s->x[3] >> 16 ^ s->x[1] << 16);
    store32(out + 4, load32(in + 4) ^ s->x[4] ^ s->x[1] >> 16 ^ s->x[7] << 16);
    store32(out + 8, load32(in + 8) ^ s->x[2] ^ s->x[7] >> 16 ^ s->x[5] << 16);
    store32(out + 12, load32(in + 12) ^ s->x[0] ^ s->x[5] >> 16 ^ s->x[3] << 16);
}

/* Whole blocks, then the rest; `last` is left holding the keystream block that the rest was taken from. */
static void crypt_octets(State *state, const uint8_t *in, uint8_t *out, size_t octets, uint8_t *last)
{
    State s = *state;

    for (; octets >= BLOCK_OCTETS; octets -= BLOCK_OCTETS, in += BLOCK_OCTETS, out += BLOCK_OCTETS)
        crypt_block(&s, in, out);
    if (octets) {
        memset(last, 0, BLOCK_OCTETS);
        crypt_block(&s, last, last);
        for (size_t i = 0; i < octets; i++)
            out[i] = in[i] ^ last[i];
    }
    *state = s;
}

/* SHA-1, FIPS 180-4 section 6.1. */

typedef struct {
    uint32_t h[5];
} Digest;

#define CHOOSE(x, y, z) (z ^ (x & (y ^ z)))
#define PARITY(x, y, z) (x ^ y ^ z)
#define MAJORITY(x, y, z) ((x & y) | (z & (x | y)))
/* The schedule is computed between the rounds, 16 words ahead: in a loop of its own gcc would make slow
 * vectors of it. The last 16 words are not used; that costs less than to tell them apart. */
#define ROUND(f, k, a, b, c, d, e)               \
    e += rotl(a, 5) + f(b, c, d) + k + w[0];     \
    b = rotl(b, 30);                             \
    w[16] = rotl(w[13] ^ w[8] ^ w[2] ^ w[0], 1); \
    w++;
/* After five rounds every variable is back in its place: no shuffling. */
#define TWENTY_ROUNDS(f, k)        \
    for (int i = 0; i < 4; i++) {  \
        ROUND(f, k, a, b, c, d, e) \
        ROUND(f, k, e, a, b, c, d) \
        ROUND(f, k, d, e, a, b, c) \
        ROUND(f, k, c, d, e, a, b) \
        ROUND(f, k, b, c, d, e, a) \
    }

static void sha1_block(Digest *digest, const uint8_t *block)
{
    uint32_t a = digest->h[0], b = digest->h[1], c = digest->h[2], d = digest->h[3], e = digest->h[4];
    uint32_t schedule[80 + 16];
    uint32_t *w = schedule;

    for (int t = 0; t < 16; t++)
        w[t] = load32(block + 4 * t);
    TWENTY_ROUNDS(CHOOSE, 0x5A827999)
    TWENTY_ROUNDS(PARITY, 0x6ED9EBA1)
    TWENTY_ROUNDS(MAJORITY, 0x8F1BBCDC)
    TWENTY_ROUNDS(PARITY, 0xCA62C1D6)
    digest->h[0] += a;
    digest->h[1] += b;
    digest->h[2] += c;
    digest->h[3] += d;
    digest->h[4] += e;
}

/* What is left of a message that follows one key block. `message` has room for the padding. */
static void sha1_finish(Digest *digest, uint8_t *message, size_t octets)
{
    size_t padded = (octets + 9 + SHA1_BLOCK_OCTETS - 1) / SHA1_BLOCK_OCTETS * SHA1_BLOCK_OCTETS;

    memset(message + octets, 0, padded - octets);
    message[octets] = 0x80;
    store32(message + padded - 4, (uint32_t)(SHA1_BLOCK_OCTETS + octets) * 8);
    for (size_t at = 0; at < padded; at += SHA1_BLOCK_OCTETS)
        sha1_block(digest, message + at);
}

/* The digest after the key block of HMAC: it is the same for every record, so it is computed once. */
static Digest hmac_midstate(const uint8_t *key, uint8_t pad)
{
    Digest digest = {{0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0}};
    uint8_t block[SHA1_BLOCK_OCTETS];

    memset(block, pad, sizeof block);
    for (int i = 0; i < MAC_KEY_OCTETS; i++)
        block[i] ^= key[i];
    sha1_block(&digest, block);
    return digest;
}

/* Python: the module's own objects, and the two error families of smok_twisted.errors. */

typedef struct {
    PyObject *local_error;
    PyObject *remote_error;
} Errors;

static Errors *errors_of(PyTypeObject *type) { return PyType_GetModuleState(type); }

static void object_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    release(self);
    Py_DECREF(type);
}

/* Every method takes one object that has octets: `step` is called with them. */

typedef PyObject *Step(PyObject *self, const uint8_t *in, Py_ssize_t octets);

static PyObject *with_octets(Step step, PyObject *self, PyObject *data)
{
    Py_buffer in;

    if (PyObject_GetBuffer(data, &in, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *result = step(self, in.buf, in.len);
    PyBuffer_Release(&in);
    return result;
}

/* Rabbit(key, iv=None) */

typedef struct {
    PyObject_HEAD
    State state;
    uint8_t block[BLOCK_OCTETS]; /* the last block of keystream */
    unsigned used;               /* octets of it that are spent */
} Rabbit;

static PyObject *rabbit_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"key", "iv", NULL};
    const char *key;
    char *iv = NULL;
    PyObject *iv_object = Py_None;
    Py_ssize_t key_octets, iv_octets = IV_OCTETS;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y#|O:Rabbit", names, &key, &key_octets, &iv_object))
        return NULL;
    if (iv_object != Py_None && PyBytes_AsStringAndSize(iv_object, &iv, &iv_octets) < 0)
        return NULL;
    if (key_octets != KEY_OCTETS)
        return PyErr_Format(errors_of(type)->local_error, "a Rabbit key has 16 octets, not %zd", key_octets);
    if (iv_octets != IV_OCTETS)
        return PyErr_Format(errors_of(type)->local_error, "a Rabbit IV has 8 octets, not %zd", iv_octets);
    Rabbit *self = (Rabbit *)PyType_GenericAlloc(type, 0);
    if (!self)
        return NULL;
    key_setup(&self->state, (const uint8_t *)key);
    if (iv)
        iv_setup(&self->state, load32((const uint8_t *)iv), load32((const uint8_t *)iv + 4));
    self->used = BLOCK_OCTETS;
    return (PyObject *)self;
}

static PyObject *process_octets(PyObject *object, const uint8_t *in, Py_ssize_t octets)
{
    Rabbit *self = (Rabbit *)object;
    PyObject *result = PyBytes_FromStringAndSize(NULL, octets);
    if (!result)
        return NULL;
    uint8_t *out = (uint8_t *)PyBytes_AsString(result);
    unsigned used = self->used; /* a variable of its own: the octets written might be anything else's */

    for (; octets && used < BLOCK_OCTETS; octets--)
        *out++ = *in++ ^ self->block[used++];
    crypt_octets(&self->state, in, out, (size_t)octets, self->block);
    self->used = octets % BLOCK_OCTETS ? (unsigned)octets % BLOCK_OCTETS : used;
    return result;
}

static PyObject *rabbit_process(PyObject *self, PyObject *data)
{
    return with_octets(process_octets, self, data);
}

static PyMethodDef rabbit_methods[] = {
    {"process", rabbit_process, METH_O, "data XOR the next octets of the keystream"},
    {0},
};

static PyType_Slot rabbit_slots[] = {
    {Py_tp_doc, "Rabbit(key, iv=None): see smok_twisted.cipher.rabbit.Rabbit"},
    {Py_tp_new, rabbit_new},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_methods, rabbit_methods},
    {0, NULL},
};

/* Sealer(cipher, mac, seq=0) and Opener(cipher, mac, seq=0): one direction of a connection. */

typedef struct {
    PyObject_HEAD
    State master; /* after key setup; a record adds only its IV */
    uint32_t salt;
    Digest inner, outer;
    unsigned long long seq;
} Direction;

static PyObject *direction_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"cipher", "mac", "seq", NULL};
    const char *cipher, *mac;
    Py_ssize_t cipher_octets, mac_octets;
    unsigned long long seq = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y#y#|K", names,
                                     &cipher, &cipher_octets, &mac, &mac_octets, &seq))
        return NULL;
    if (cipher_octets != KEY_OCTETS + SALT_OCTETS || mac_octets != MAC_KEY_OCTETS)
        return PyErr_Format(errors_of(type)->local_error, "keys of suite 1 have 20 octets each");
    Direction *self = (Direction *)PyType_GenericAlloc(type, 0);
    if (!self)
        return NULL;
    key_setup(&self->master, (const uint8_t *)cipher);
    self->salt = load32((const uint8_t *)cipher + KEY_OCTETS);
    self->inner = hmac_midstate((const uint8_t *)mac, 0x36);
    self->outer = hmac_midstate((const uint8_t *)mac, 0x5C);
    self->seq = seq;
    return (PyObject *)self;
}

static void crypt_body(const Direction *self, const uint8_t *in, uint8_t *out, size_t octets)
{
    State s = self->master;
    uint8_t last[BLOCK_OCTETS];

    iv_setup(&s, self->salt, (uint32_t)self->seq);
    crypt_octets(&s, in, out, octets, last);
}

/* HMAC-SHA1(MAC key, seq || L || C); `head` is L || C. */
static void record_tag(const Direction *self, const uint8_t *head, size_t octets, uint8_t tag[TAG_OCTETS])
{
    uint8_t message[5 * SHA1_BLOCK_OCTETS]; /* 4 + 1 + 255 octets and the padding */
    Digest digest = self->inner;

    store32(message, (uint32_t)self->seq);
    memcpy(message + 4, head, octets);
    sha1_finish(&digest, message, 4 + octets);
    for (int i = 0; i < 5; i++)
        store32(message + 4 * i, digest.h[i]);
    digest = self->outer;
    sha1_finish(&digest, message, 20);
    store32(tag, digest.h[0]);
    store32(tag + 4, digest.h[1]);
}

/* Takes the same time wherever the two differ. */
static int same_tag(const uint8_t *a, const uint8_t *b)
{
    unsigned difference = 0;

    for (int i = 0; i < TAG_OCTETS; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

static PyObject *seal_body(PyObject *object, const uint8_t *body, Py_ssize_t octets)
{
    Direction *self = (Direction *)object;
    PyObject *local_error = errors_of(Py_TYPE(object))->local_error;

    if (octets < 1 || octets > MAX_BODY_OCTETS)
        return PyErr_Format(local_error, "a record's body has 1 to 255 octets, not %zd", octets);
    if (self->seq >= MAX_RECORDS)
        return PyErr_Format(local_error, "all 2**32 - 1 records of this direction are used");
    PyObject *record = PyBytes_FromStringAndSize(NULL, 1 + octets + TAG_OCTETS);
    if (!record)
        return NULL;
    uint8_t *out = (uint8_t *)PyBytes_AsString(record);
    out[0] = (uint8_t)octets;
    crypt_body(self, body, out + 1, (size_t)octets);
    record_tag(self, out, 1 + (size_t)octets, out + 1 + octets);
    self->seq++;
    return record;
}

static PyObject *open_record(PyObject *object, const uint8_t *record, Py_ssize_t octets)
{
    Direction *self = (Direction *)object;
    PyObject *remote_error = errors_of(Py_TYPE(object))->remote_error;
    Py_ssize_t body_octets = octets - 1 - TAG_OCTETS;
    uint8_t tag[TAG_OCTETS];

    if (self->seq >= MAX_RECORDS)
        return PyErr_Format(remote_error, "exhausted");
    if (body_octets < 1 || record[0] != body_octets)
        return PyErr_Format(remote_error, "bad-tag");
    record_tag(self, record, 1 + (size_t)body_octets, tag);
    if (!same_tag(tag, record + 1 + body_octets))
        return PyErr_Format(remote_error, "bad-tag");
    PyObject *body = PyBytes_FromStringAndSize(NULL, body_octets);
    if (!body)
        return NULL;
    crypt_body(self, record + 1, (uint8_t *)PyBytes_AsString(body), (size_t)body_octets);
    self->seq++;
    return body;
}

static PyObject *sealer_seal(PyObject *self, PyObject *body)
{
    return with_octets(seal_body, self, body);
}

static PyObject *opener_open(PyObject *self, PyObject *record)
{
    return with_octets(open_record, self, record);
}

static PyObject *direction_tag_octets(PyObject *self, void *closure)
{
    (void)self, (void)closure;
    return PyLong_FromLong(TAG_OCTETS);
}

static PyGetSetDef direction_getset[] = {
    {"tag_octets", direction_tag_octets, NULL, NULL, NULL},
    {0},
};

static PyMethodDef sealer_methods[] = {
    {"seal", sealer_seal, METH_O, "see smok_twisted.interfaces.Sealer"},
    {0},
};

static PyMethodDef opener_methods[] = {
    {"open", opener_open, METH_O, "see smok_twisted.interfaces.Opener"},
    {0},
};

static PyType_Slot sealer_slots[] = {
    {Py_tp_doc, "Sealer(cipher, mac, seq=0): the sending half of suite 1"},
    {Py_tp_new, direction_new},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_methods, sealer_methods},
    {Py_tp_getset, direction_getset},
    {0, NULL},
};

static PyType_Slot opener_slots[] = {
    {Py_tp_doc, "Opener(cipher, mac, seq=0): the receiving half of suite 1"},
    {Py_tp_new, direction_new},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_methods, opener_methods},
    {Py_tp_getset, direction_getset},
    {0, NULL},
};

/* For the tests of appendix B: every inner state on the way, as (X, C, b). */

static int note(PyObject *states, const State *s)
{
    uint32_t c[8];

    for (int j = 0; j < 8; j++)
        c[j] = (uint32_t)(s->c[j / 2] >> (j % 2 * 32));
    PyObject *state = Py_BuildValue("(IIIIIIII)(IIIIIIII)K",
                                    s->x[0], s->x[1], s->x[2], s->x[3], s->x[4], s->x[5], s->x[6], s->x[7],
                                    c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7],
                                    (unsigned long long)s->carry);
    int failed = !state || PyList_Append(states, state) < 0;
    Py_XDECREF(state);
    return failed;
}

static int note_iterations(PyObject *states, State *s, Py_ssize_t count)
{
    int failed = 0;

    while (!failed && count-- > 0) {
        next_state(s);
        failed = note(states, s);
    }
    return failed;
}

/* _states(key, iv, blocks): after key expansion, its four iterations, the change of counters, the mixing in
 * of the IV, its four iterations, and after each of so many blocks of output. An empty iv is none. */
static PyObject *states(PyObject *module, PyObject *args)
{
    const char *key, *iv;
    Py_ssize_t key_octets, iv_octets, blocks;
    State s;
    (void)module;

    if (!PyArg_ParseTuple(args, "y#y#n", &key, &key_octets, &iv, &iv_octets, &blocks))
        return NULL;
    if (key_octets != KEY_OCTETS || (iv_octets && iv_octets != IV_OCTETS))
        return PyErr_Format(PyExc_ValueError, "wrong length");
    PyObject *list = PyList_New(0);
    if (!list)
        return NULL;
    expand_key(&s, (const uint8_t *)key);
    int failed = note(list, &s) || note_iterations(list, &s, 4);
    modify_counters(&s);
    failed = failed || note(list, &s);
    if (iv_octets) {
        mix_iv(&s, load32((const uint8_t *)iv), load32((const uint8_t *)iv + 4));
        failed = failed || note(list, &s) || note_iterations(list, &s, 4);
    }
    if (failed || note_iterations(list, &s, blocks)) {
        Py_DECREF(list);
        return NULL;
    }
    return list;
}

/* The module */

static int add_type(PyObject *module, const char *name, int size, PyType_Slot *slots)
{
    PyType_Spec spec = {name, size, 0, Py_TPFLAGS_DEFAULT, slots};
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    int failed = !type || PyModule_AddType(module, (PyTypeObject *)type) < 0;

    Py_XDECREF(type);
    return failed;
}

static int module_exec(PyObject *module)
{
    Errors *errors = PyModule_GetState(module);
    PyObject *home = PyImport_ImportModule("smok_twisted.errors");

    if (!home)
        return -1;
    errors->local_error = PyObject_GetAttrString(home, "LocalError");
    errors->remote_error = PyObject_GetAttrString(home, "RemoteError");
    Py_DECREF(home);
    if (!errors->local_error || !errors->remote_error ||
        add_type(module, "smok_twisted.cipher._rabbit.Rabbit", sizeof(Rabbit), rabbit_slots) ||
        add_type(module, "smok_twisted.cipher._rabbit.Sealer", sizeof(Direction), sealer_slots) ||
        add_type(module, "smok_twisted.cipher._rabbit.Opener", sizeof(Direction), opener_slots))
        return -1;
    return 0;
}

static void module_free(void *module)
{
    Errors *errors = PyModule_GetState(module);

    Py_CLEAR(errors->local_error);
    Py_CLEAR(errors->remote_error);
}

static PyMethodDef module_methods[] = {
    {"_states", states, METH_VARARGS, "for tests"},
    {0},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static PyModuleDef module_def = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_rabbit",
    .m_size = sizeof(Errors),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__rabbit(void) { return PyModuleDef_Init(&module_def); }
