"""Numbers from a closed formula, so that a C test makes the same tensors and no fixture has to hold them.

    mix(z)        one step of SplitMix64, all arithmetic modulo 2^64:
                      z = z + 0x9E3779B97F4A7C15
                      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
                      z = (z ^ (z >> 27)) * 0x94D049BB133111EB
                      return z ^ (z >> 31)
    hash(s, t, e) mix(mix(s * 2^32 + t) + e)           s: stream, t: index of the tensor, e: index of the element
    unit(s, t, e) ((hash >> 40) - 2^23) / 2^23         in [-1, 1), exact in f32
    value         (float)(a * (double)unit)            one rounding, from double to float
    sign(s, t, e) -1 where bit 63 of the hash is set, else +1

Elements are counted in C order. The streams are listed here, and nowhere used twice.
"""
import numpy as np

STREAM_LORA_A = 1  # initial A of the adapter
STREAM_LORA_B = 2  # initial B where it is not zero
STREAM_WEIGHTS = 3  # weights of the tiny model
STREAM_IDS = 4  # token ids of the tiny model's sequences: hash % vocabulary
STREAM_VOCAB = 5  # vocabulary entries whose logits are kept: hash % vocabulary
STREAM_GGUF = 6  # tensors of the file that tests/formats/test_gguf_write.c writes
STREAM_SIGNS = 10  # 10, 11, 12, 13: the four projections


def mix(z):
    z = np.asarray(z, np.uint64)
    with np.errstate(over="ignore"):
        z = z + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def hashes(stream, tensor, n):
    """hash(stream, tensor, e) for e = 0 .. n-1."""
    start = mix(np.uint64((stream << 32) + tensor))
    with np.errstate(over="ignore"):
        return mix(start + np.arange(n, dtype=np.uint64))


def uniform(stream, tensor, shape, a):
    """f32 array of `shape` with values in [-a, a)."""
    n = int(np.prod(shape))
    unit = ((hashes(stream, tensor, n) >> np.uint64(40)).astype(np.float64) - 2.0**23) / 2.0**23
    return (a * unit).astype(np.float32).reshape(shape)


def integers(stream, tensor, n, limit):
    """n values of 0 .. limit-1, as i32."""
    return (hashes(stream, tensor, n) % np.uint64(limit)).astype(np.int32)


def signs(stream, tensor, n):
    """n values of +1 or -1, as f64."""
    return 1.0 - 2.0 * (hashes(stream, tensor, n) >> np.uint64(63)).astype(np.float64)
