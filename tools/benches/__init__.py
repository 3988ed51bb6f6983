"""What the benches beside other programs share: bench.py, bench_lora.py, bench_generate.py, bench_scaling.py.

    process.py    starting a process and reading what it printed; options and models that all benches have
    models.py     the model as a GGUF file in any storage type, by our library
    lora.py       one run of training, ours and PEFT's
    generate.py   one run of prompts and single tokens, ours, llama.cpp's and transformers'
    products.py   one run of products, ours and torch's
    jobs.py       what takes turns: columns and how each is measured
    rows.py       the table of `make bench`: what is compared with what, and the ratio to reach
    results.py    ratios, the table that is printed, the file of results
    plot.py       bars and lines as SVG
"""
