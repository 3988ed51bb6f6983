"""A tiny Llama as a GGUF file, random weights and a byte-level tokenizer, for tests that start the
program often: write(path). Two layers of width 32; a training step takes about a millisecond. With `untied` the output
has a matrix of its own; `poison` names a token whose row of the embedding is no number; the matrices' values are
normally distributed with that `spread`.

The alphabet is GPT-2's: a printable byte stands for itself, the others for U+0100 and up."""
import random
import struct

LAYERS, WIDTH, HEADS, FFN = 2, 32, 4, 64
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["h e", "l l", "he ll", "hell o", "Ġ t", "Ġt he", "i n", "e r", "Ġ a", "o n"]
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>'"
    " + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def alphabet():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = [b for b in range(256) if b not in plain]
    text = {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(other)}
    return [text[b] for b in range(256)]


def vocabulary():
    """Texts and types (1 normal, 3 control)."""
    normal = alphabet() + [m.replace(" ", "") for m in MERGES]
    return CONTROL + normal, [3] * len(CONTROL) + [1] * len(normal)


def text(s):
    b = s.encode()
    return struct.pack("<Q", len(b)) + b


def number(key, v):
    return text(key) + struct.pack("<II", 4, v)


def real(key, v):
    return text(key) + struct.pack("<If", 6, v)


def string(key, v):
    return text(key) + struct.pack("<I", 8) + text(v)


def strings(key, values):
    return text(key) + struct.pack("<IIQ", 9, 8, len(values)) + b"".join(map(text, values))


def integers(key, values):
    return text(key) + struct.pack("<IIQ", 9, 5, len(values)) + struct.pack(f"<{len(values)}i", *values)


def metadata():
    tokens, types = vocabulary()
    return [
        string("general.architecture", "llama"), string("general.name", "tiny"),
        number("llama.block_count", LAYERS), number("llama.embedding_length", WIDTH),
        number("llama.feed_forward_length", FFN), number("llama.context_length", 512),
        number("llama.attention.head_count", HEADS), number("llama.attention.head_count_kv", HEADS // 2),
        real("llama.attention.layer_norm_rms_epsilon", 1e-5), real("llama.rope.freq_base", 10000.0),
        string("tokenizer.ggml.model", "gpt2"), string("tokenizer.ggml.pre", "smollm"),
        strings("tokenizer.ggml.tokens", tokens), integers("tokenizer.ggml.token_type", types),
        strings("tokenizer.ggml.merges", MERGES),
        number("tokenizer.ggml.bos_token_id", 1), number("tokenizer.ggml.eos_token_id", 2),
        number("tokenizer.ggml.unknown_token_id", 0), number("tokenizer.ggml.padding_token_id", 2),
        string("tokenizer.chat_template", TEMPLATE),
    ]


def shapes(untied=False):
    kv = WIDTH // 2
    block = {"attn_norm": [WIDTH], "attn_q": [WIDTH, WIDTH], "attn_k": [kv, WIDTH], "attn_v": [kv, WIDTH],
             "attn_output": [WIDTH, WIDTH], "ffn_norm": [WIDTH], "ffn_gate": [FFN, WIDTH], "ffn_up": [FFN, WIDTH],
             "ffn_down": [WIDTH, FFN]}
    all_of_them = {"token_embd": [len(vocabulary()[0]), WIDTH], "output_norm": [WIDTH]}
    if untied:
        all_of_them["output"] = [len(vocabulary()[0]), WIDTH]
    for layer in range(LAYERS):
        all_of_them |= {f"blk.{layer}.{name}": shape for name, shape in block.items()}
    return {name + ".weight": shape for name, shape in all_of_them.items()}


def write(path, seed=1, untied=False, poison=None, spread=0.3):
    rng = random.Random(seed)
    metas, infos, data = metadata(), [], b""
    for name, shape in shapes(untied).items():
        infos.append(text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), 0, len(data)))
        n = shape[0] * (shape[1] if len(shape) > 1 else 1)
        values = [1.0] * n if len(shape) == 1 else [rng.gauss(0, spread) for _ in range(n)]
        if name == "token_embd.weight" and poison:
            row = vocabulary()[0].index(poison) * WIDTH
            values[row:row + WIDTH] = [float("nan")] * WIDTH
        data += struct.pack(f"<{n}f", *values)
        data += bytes(-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(metas)) + b"".join(metas) + b"".join(infos)
    path.write_bytes(head + bytes(-len(head) % 32) + data)
    return path
