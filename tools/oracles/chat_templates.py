#!/usr/bin/env python3
"""What Jinja2 makes of chat templates, for tests/formats/test_jinja.c and test_chat.c.

    sh tools/peers.sh                                                       # .venv-peers, once
    .venv-peers/bin/python tools/oracles/chat_templates.py MODEL.gguf     # writes tests/data/chat_templates.json

Jinja2 runs as `transformers` runs it for chat templates: an immutable sandbox, trim_blocks, lstrip_blocks, loop
controls, a plain tojson, raise_exception(), and a {% generation %} block. The templates below are our own; the
model's template is read from its file and only its results are kept.

A case is (name, template, variables). `expected` is null where Jinja2 fails: we have to fail too.
"""
import argparse
import json
import pathlib

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

CHAT = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "  What is 2+2?\n"},
        {"role": "assistant", "content": "4"},
        {"role": "user", "content": "¿Y \"3\"? <b>&amp;</b> \U0001F600"},
    ],
    "add_generation_prompt": True,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "tools": [
        {"type": "function", "function": {
            "name": "get_weather", "description": "Weather of a 'city'\n",
            "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["Köln", "Oslo"]}},
                           "required": ["city"]}, "score": 0.5, "big": 1e22, "none": None, "flag": True}},
    ],
    "text": "The Quick\tbrown  fox\n\njumps ",
    "numbers": [3, 1, 2],
    "empty": [],
    "n": 7,
}

# Each expression is printed between brackets.
EXPRESSIONS = """
1 + 2 * 3 - 4 // 3 % 2
-7 // 2 ~ ' ' ~ -7 % 3 ~ ' ' ~ 7 % -3 ~ ' ' ~ 7 / 2 ~ ' ' ~ 6 / 2
2 ** 10 ~ ' ' ~ 2 ** -1 ~ ' ' ~ 2 ** 0.5
2 ** 3 ** 2
-2 ** 2
- 2 | abs
1.0 ~ ' ' ~ 1e16 ~ ' ' ~ 1e15 ~ ' ' ~ 0.0001 ~ ' ' ~ 1e-05 ~ ' ' ~ 12.5 ~ ' ' ~ 100.0 ~ ' ' ~ 1.1 ~ ' ' ~ 1e300
7.5 // 2 ~ ' ' ~ -7.5 % 2 ~ ' ' ~ 7.5 % -2
1_000 + 0x1F + 0b11 + 0o17
'a' + 'b' ~ 1 ~ none ~ true ~ 1.5
'ab' * 3 ~ [1, 2] * 2
[1] + [2, 'x'] + []
(1, 2) + (3,)
()
(1,)
[1, 'a', "b'c", 'd"e', 'f\\'g"h', none, true, 2.0, {'k': [1]}, ('t',)]
{'a': 1, "b": {'c': []}, 3: 'three'}
'tab\\tnl\\nuni\\u00e9 hex\\x41 oct\\101 back\\\\slash \\q'
"double 'quotes'" 'joined' ' strings'
1 < 2 < 3
1 < 2 > 5
1 == 1.0 == true
'a' < 'b' and 'B' < 'a'
[1, 2] == [1, 2] and {'a': 1} == {'a': 1} and [1] != (1,)
none == none and none != false
not 1 == 2
1 in [1, 2] and 'x' not in 'abc' and 'b' in 'abc' and 'k' in {'k': 1}
'' or 'default' or 1/0
0 and 1/0
'yes' if n > 5 else 'no'
'yes' if n > 50
'a' if false else 'b' if false else 'c'
missing
missing is defined
missing is undefined
missing.deeper is defined
missing == missing2
missing ~ 'x'
missing | default('d')
none | default('d')
'' | default('d', true)
none | default('d', boolean=true)
missing | d
missing + 1
messages[0].role ~ messages[0]['role'] ~ messages[-1].role
messages[99]
messages[0].missing
messages[0].missing.deeper
messages | length
messages | map(attribute='role') | join(', ')
messages | map(attribute='none', default='?') | join
messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list
messages | rejectattr('role', 'in', ['user', 'system']) | list
messages | selectattr('content') | list | length
numbers | select('odd') | list ~ numbers | reject('gt', 2) | list
numbers | select | list
numbers | map('string') | join('-')
['a', 'b'] | map('replace', 'a', 'c') | list
numbers | sort ~ numbers | sort(reverse=true) ~ numbers | reverse | list
messages | sort(attribute='role') | map(attribute='role') | list ~ messages | sort(attribute='content', reverse=true) | map(attribute='content') | list
['b', 'A', 'a', 'B'] | sort ~ ['b', 'A', 'a', 'B'] | sort(case_sensitive=true) ~ ['b', 'A', 'a', 'B'] | sort(true) ~ ['a', 'A', 'b', 'B', 'a'] | unique | list ~ ['a', 'A', 'a'] | unique(true) | list
numbers | first ~ numbers | last ~ empty | first
'äöü' | length ~ 'äöü' | first ~ 'äöü' | last ~ 'äöü' | reverse
'äöü'[1] ~ 'äöü'[-1] ~ 'äöü'[0:2] ~ 'äöü'[::-1]
numbers[1:] ~ numbers[:-1] ~ numbers[::2] ~ numbers[::-1] ~ numbers[5:] ~ numbers[-2:] ~ numbers[10:0:-1]
'abcdef'[1:5:2] ~ 'abcdef'[-3:-1] ~ 'abcdef'[:99] ~ 'abcdef'[-99:2] ~ 'abcdef'[4:2]
'abc'[0:none:none]
numbers[none]
text | upper ~ text | lower ~ text | capitalize ~ text.title()
text | trim ~ '|' ~ text.strip() ~ '|' ~ text.rstrip() ~ '|' ~ '  x'.lstrip()
'xxabcxx'.strip('x') ~ 'xyabcyx'.lstrip('yx') ~ 'xyabcyx'.rstrip('xy') ~ 'xxaxx' | trim('x')
'\\u3000 x\\u00a0\\u2003'.strip()
text.split() ~ text.split(' ') ~ text.split(maxsplit=1) ~ 'a,b,c'.split(',', 1) ~ ''.split() ~ ''.split(',')
'a,b,c'.rsplit(',', 1) ~ ' a  b '.rsplit() ~ 'a,b'.rsplit(',')
'a\\nb\\r\\nc\\n'.splitlines() ~ 'a\\nb'.splitlines(true)
'abc'.startswith('ab') ~ 'abc'.endswith('bc') ~ 'abc'.startswith(('x', 'a')) ~ 'abc'.endswith('')
'aXbXc'.replace('X', '--') ~ 'aXbXc'.replace('X', '', 1) ~ 'abc'.replace('', '.') ~ 'äb' | replace('ä', 'a')
'hello'.find('l') ~ 'hällo'.find('l') ~ 'hello'.find('z') ~ 'hello'.count('l') ~ 'ab'.count('')
'-'.join(['a', 'b']) ~ [1, 2] | join(', ') ~ 'abc' | join('.')
'123'.isdigit() ~ ''.isdigit() ~ '1a'.isdigit()
tools[0].function.items() | list | length ~ tools[0].function.keys() | list
tools[0].function.values() | first
tools[0].get('type') ~ tools[0].get('x') ~ tools[0].get('x', 'y')
{'a': 1, 'b': 2} | items | list ~ {'a': 1}.items() | list ~ missing | items | list
{'a': 1, 'b': 2} | list ~ {'a': 1} | length ~ 'abc' | list
{'items': 5}['items'] ~ {'get': 1}['x']
tools | tojson
tools | tojson(indent=2)
tools | tojson(indent=0)
tools[0].function | tojson(sort_keys=true)
messages[3].content | tojson ~ messages[3] | tojson(ensure_ascii=true)
{'b': 1, 'a': [], 'c': {}, 'd': [{}], 1: 2, none: 3, true: 4} | tojson(separators=(',', ':'))
{'x': 'q"\\\\ \\u2028 \\u007f \\u0001'} | tojson
['a\\u2028b', '\\x00\\x7f\\x85\\u00a0\\u3000', '\\u00ad\\u00e9\\U0001f600']
missing | tojson
missing | int
missing is sameas missing
007
'42' | int + '4.7' | int + 'x' | int(5) + 4.9 | int + true | int + ' 7 ' | int
'1.5' | float ~ 'x' | float(2.0) ~ 3 | float ~ '1e3' | float
42 | string + '!' ~ none | string ~ [1] | string
-5 | abs ~ -2.5 | abs
'a\\nb\\n\\nc' | indent ~ 'a\\nb' | indent(2, true) ~ 'a\\n\\nb' | indent(1, blank=true) ~ 'a\\nb' | indent('> ')
[1, 2, 1, 2.0] | unique | list
missing is callable ~ 1 is number and 1.5 is number and 'a' is not number and true is number
1 is integer ~ true is integer ~ 1.0 is integer ~ 1.0 is float ~ true is boolean
'a' is string ~ 1 is string ~ {} is mapping ~ [] is mapping ~ [] is iterable ~ 1 is iterable ~ 'a' is iterable
[] is sequence ~ {} is sequence ~ 1 is sequence ~ none is none ~ 0 is none
3 is odd ~ 3 is even ~ 9 is divisibleby 3 ~ 9 is divisibleby(2)
1 is sameas 1 ~ true is sameas true ~ 1 is sameas true ~ 1 is eq 1.0 ~ 1 is ne 2 ~ 2 is gt 1 ~ 2 is le(2)
true is true ~ 1 is true ~ false is false ~ 0 is false
'a' is in ['a'] ~ 'a' is in('abc')
namespace is callable ~ 1 is callable
range(3) | list ~ range(1, 6, 2) | list ~ range(5, 0, -2) | list ~ range(0) | list
dict(a=1, b=[2])
dict({'x': 1}, y=2)
'%s' % 1 if false else 'ok'
messages[0]['con' ~ 'tent']
(messages | first).role
messages|length > 3 and messages[0]['role'] == 'system'
true and not false or false
not not n
[[1, 2], [3]] | map('length') | list ~ [[1, 2], [3]] | map('first') | list ~ [[5, 6]] | map(attribute=1) | list
[{'a': {'b': 1}}] | map(attribute='a.b') | list
'<b>' | safe
x
"""

TEMPLATES = {
    "white space": (
        "start\n"
        "  {% if true %}\n"
        "    kept {{ n }}\n"
        "  {%- endif %}\n"
        "a {%- if true -%}  b  {%- endif -%}  c\n"
        "\t{#  comment #}\n"
        "x{# inner #}y {#- left -#} z\n"
        "{{ n -}}\n   joined\n"
        "  {%+ if true %}keeps blanks{% endif %}\n"
        "{% if true +%}\nkeeps newline{% endif %}\n"
        "text  {% if true %}  same line  {% endif %}  end\n"
        "last\n"),
    "white space of other kinds": "a\u00a0\u2003{%- if true -%}\u3000\n\x1cb\u2028{%- endif -%}\u0085c \t\n",
    "white space before a tag": "a\n\u3000 \t{% if true %}\nb\u2003{% endif %}\u2028{# x #}\n\x0b{% raw %}c{% endraw %}\n",
    "line ends": "a\r\n{% if true %}\r\nb\rc\r\n{% endif %}\r\nd\r\n",
    "two newlines at the end": "a\n\n",
    "only a newline": "\n",
    "nothing": "",
    "blocks side by side": "{% if true %} {% endif %} {% if true %}\n  {% endif %} x\n{# c #}\n  {# c #}  {% if 1 %}y{% endif %}\n",
    "raw": "a {% raw %} {{ not }} {% this %} {# that #} {% endraw %} b\n  {%- raw -%}  x  {%- endraw -%}  c {% raw %}\n y\n  {% endraw %}\nz",
    "braces": "{ {{ '{' }} } {{ '}}' }} {{ {'a': {'b': 1}}['a']['b'] }} {{ '%}' }} {% if '%}' %}ok{% endif %} }} %} #} {",
    "minus at the start": "a {{-1}} b {{- -1 }} c",
    "comments": "a{# x {{ y }} {% z %} #}b{#-#}c {##} d",
    "for": (
        "{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}"
        "{{ loop.last }}{{ loop.length }}{{ m.role }}{{ loop.previtem.role if not loop.first }}{{ loop.nextitem.role if not loop.last }}"
        "{{ loop.depth }}{{ loop.depth0 }}{{ loop.cycle('odd', 'even') }};{% endfor %}"),
    "for with else": "{% for x in empty %}x{% else %}none{% endfor %} {% for x in [1] %}x{% else %}none{% endfor %} {% for x in missing %}{% else %}u{% endfor %}",
    "for with condition": "{% for x in numbers if x > 1 %}{{ loop.index }}:{{ x }}/{{ loop.length }} {% else %}none{% endfor %}{% for x in numbers if x > 9 %}x{% else %}none{% endfor %}",
    "for over pairs": "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }} {% endfor %}{% for (a, b) in [(1, 2), [3, 4]] %}{{ a + b }} {% endfor %}{% for k in {'x': 1} %}{{ k }}{% endfor %}{% for c in 'äb' %}<{{ c }}>{% endfor %}",
    "for unpacking too few": "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
    "for over a number": "{% for a in 5 %}{% endfor %}",
    "for over none": "{% for a in none %}{% endfor %}",
    "for inside for": "{% for a in [1, 2] %}{% for b in [1, 2] %}{{ loop.depth }}{{ a }}{{ b }}{{ loop.index }} {% endfor %}{{ loop.index }}{% endfor %}{{ loop is defined }}",
    "break and continue": "{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}!{% for a in [1, 2] %}{% for b in [1, 2] %}{% break %}{% endfor %}{{ a }}{% endfor %}",
    "scopes": "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}{% if false %}{% set y = 1 %}{% endif %}[{{ y }}]",
    "namespace": "{% set ns = namespace(found=false, n=0) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.found = true %}{% set ns.n = ns.n + 1 %}{% endif %}{% endfor %}{{ ns.found }}{{ ns.n }}{{ ns.missing is defined }}",
    "set an attribute of a dict": "{% set d = {'a': 1} %}{% set d.a = 2 %}{{ d }}",
    "set": "{% set a, b = 1, 2 %}{{ b }}{{ a }}{% set c = 1, 2 %}{{ c }}{% set (d, e) = [3, 4] %}{{ d + e }}{% set f = 'x' if false else 'y' %}{{ f }}",
    "set block": "{% set x %}a {{ n }} b{% endset %}[{{ x }}]{% set y | upper | trim %}  abc {% endset %}[{{ y }}]{% set z %}{% endset %}[{{ z }}]",
    "if": "{% for x in range(4) %}{% if x == 0 %}zero{% elif x == 1 %}one{% elif x == 2 %}two{% else %}many{% endif %} {% endfor %}{% if empty %}a{% endif %}{% if '' %}b{% elif missing %}c{% elif none %}d{% elif 0.0 %}e{% elif {} %}f{% endif %}",
    "macro": "{% macro greet(name, mark='!', n=1) %}Hello {{ name }}{{ mark * n }}{% endmacro %}{{ greet('a') }} {{ greet('b', '?', n=2) }} {{ greet(name='c', mark='.') }} {{ greet() }}",
    "macro scope": "{% set x = 'outer' %}{% macro f(x) %}{{ x }}{% set x = 'inner' %}{{ x }}{% endmacro %}{{ f('arg') }}{{ x }}{% macro g() %}{{ x }}{{ loop is defined }}{% endmacro %}{% for i in [1] %}{{ g() }}{% endfor %}",
    "macro calling itself": "{% macro down(n) %}{{ n }}{% if n > 0 %},{{ down(n - 1) }}{% endif %}{% endmacro %}{{ down(5) }}",
    "macro with too many arguments": "{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}",
    "macro with an unknown argument": "{% macro f(a) %}{% endmacro %}{{ f(b=2) }}",
    "macro result": "{% macro f() %} x {% endmacro %}{{ f() | trim | upper }}{{ f().strip() + 'y' }}{{ f() | length }}",
    "a conversation": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] | trim %}"
        "{% set rest = messages[1:] %}{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}\n"
        "{% if system %}[SYS]{{ system }}[/SYS]\n{% endif %}\n"
        "{%- for m in rest %}\n"
        "    {%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}\n"
        "        {{- raise_exception('roles have to take turns') }}\n"
        "    {%- endif %}\n"
        "    {%- if m['role'] == 'user' %}\n"
        "        {{- '[U] ' + m['content'].strip() + ' [/U]' }}\n"
        "    {%- elif m['role'] == 'assistant' %}\n"
        "        {%- generation %}{{- ' ' + m['content'] + eos_token }}{%- endgeneration %}\n"
        "    {%- endif %}\n"
        "{%- endfor %}\n"
        "{%- if add_generation_prompt %}{{ ' [A]' }}{% endif %}"),
    "raise_exception": "{{ raise_exception('no ' + messages[0].role) }}",
    "tools": (
        "{%- if tools is defined and tools is not none and tools %}\n"
        "{{- 'Tools:\\n' }}\n"
        "{%- for tool in tools %}\n"
        "{%- set f = tool.function if tool.function is defined else tool %}\n"
        "{{- '- ' ~ f.name ~ ': ' ~ (f.description | default('?') | trim) ~ ' ' ~ f.parameters.properties.keys() | list | join(',') }}\n"
        "{%- for name, spec in f.parameters.properties | items %}\n"
        "{{- '\\n  ' + name + (' (' + spec.enum | join('|') + ')' if spec.enum is defined else '') }}\n"
        "{%- endfor %}\n"
        "{{- '\\n' + tool | tojson(indent=4) + '\\n' }}\n"
        "{%- endfor %}\n"
        "{%- endif %}"),
    "strftime_now is looked for": "{% if strftime_now is defined %}now{% else %}never{% endif %}",
    "calling what is not there": "{{ nothing() }}",
    "calling a number": "{{ n() }}",
    "a string and a number": "{{ 'a' + 1 }}",
    "a list and a tuple": "{{ [1] + (1,) }}",
    "order of a string and a number": "{{ 'a' < 1 }}",
    "division by zero": "{{ 1 // 0 }}",
    "in a number": "{{ 1 in 1 }}",
    "items of a list": "{{ [1] | items | list }}",
    "unclosed block": "{% if true %}",
    "unclosed tag": "{{ n",
    "unclosed string": "{{ 'abc }}",
    "unclosed comment": "{# abc",
    "unclosed raw": "{% raw %} abc",
    "wrong end": "{% if true %}{% endfor %}",
    "unexpected end": "{% endif %}",
    "else twice": "{% if true %}{% else %}{% else %}{% endif %}",
    "unbalanced": "{{ (1 }}",
    "unbalanced too": "{{ [1) }}",
    "two values": "{{ 1 2 }}",
    "nothing in a tag": "{{ }}",
    "no such statement": "{% frobnicate %}",
    "no such filter": "{{ 1 | frobnicate }}",
    "no such test": "{{ 1 is frobnicate }}",
    "no such method": "{{ 'a'.frobnicate() }}",
    "operator missing": "{{ 1 + }}",
    "bad character": "{{ 1 $ 2 }}",
    "assigning to a constant": "{% set true = 1 %}",
    "break outside": "{% break %}",
    "too many arguments": "{{ 'a'.strip('x', 'y') }}",
    "too few arguments": "{{ 'a'.replace('x') }}",
    "changing a list": "{{ numbers.append(1) }}",
    "private attributes": "{{ ''.__class__.__mro__ }}",
}

CONVERSATIONS = [
    [],
    [{"role": "user", "content": "What is the capital of France?"}],
    [{"role": "system", "content": "You answer in JSON."}, {"role": "user", "content": "turn on the light"},
     {"role": "assistant", "content": "{\"action\": \"on\"}"}],
    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello! 12 \U0001F600"},
     {"role": "user", "content": "\n\nmore\n"}, {"role": "assistant", "content": "\n leading newline, äöü "},
     {"role": "user", "content": "last"}],
    [{"role": "user", "content": "tricky"}, {"role": "assistant", "content": "a<|im_end|>b"}],
    [{"role": "user", "content": "say nothing"}, {"role": "assistant", "content": ""}],
    [{"role": "user", "content": "two answers"}, {"role": "assistant", "content": "one"}, {"role": "assistant", "content": "two"}],
]


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


def make_environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


def render(env, template, variables):
    try:
        return env.from_string(template).render(**variables)
    except Exception as error:  # any failure counts as one
        if template == TEMPLATES["a conversation"]:
            raise
        return None


def model_cases(env, path):
    import gguf
    import tokenizer_lines
    reader = gguf.GGUFReader(path)
    field = reader.fields["tokenizer.chat_template"]
    template = env.from_string(field.contents())
    tokenizer = tokenizer_lines.make_tokenizer(reader, *tokenizer_lines.variants()["smollm"])
    end = tokenizer.token_to_id("<|im_end|>")

    def text(messages, prompt):
        return template.render(messages=messages, add_generation_prompt=prompt, bos_token="<|im_start|>", eos_token="<|im_end|>")

    cases = []
    for messages in CONVERSATIONS:
        whole = text(messages, False)
        encoded = tokenizer.encode(whole, add_special_tokens=False)
        mask = [0] * len(encoded.ids)
        for i, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            start = len(text(messages[:i], True))
            stop = len(text(messages[:i + 1], False))
            span = [k for k, (at, _) in enumerate(encoded.offsets) if start <= at < stop]
            while span and encoded.ids[span[-1]] != end:
                span.pop()  # what follows the closing token
            for k in span:
                mask[k] = 1
        cases.append({"messages": messages, "text": whole, "prompt": text(messages, True), "ids": encoded.ids, "mask": mask})
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--output", default=pathlib.Path(__file__).parents[2] / "tests/data/chat_templates.json")
    args = parser.parse_args()
    env = make_environment()
    cases = [{"name": e, "template": "[{{ " + e + " }}]"} for e in EXPRESSIONS.strip().split("\n")]
    cases += [{"name": name, "template": template} for name, template in TEMPLATES.items()]
    for case in cases:
        case["expected"] = render(env, case["template"], CHAT)
    result = {"generator": "tools/oracles/chat_templates.py", "reference": f"jinja2 {jinja2.__version__}",
              "variables": CHAT, "cases": cases, "model": model_cases(env, args.model)}
    text = json.dumps(result, ensure_ascii=True, indent=1)
    pathlib.Path(args.output).write_text(text + "\n")
    print(f"{args.output}: {len(cases)} cases, {sum(c['expected'] is None for c in cases)} of them fail, {len(text)} bytes")


if __name__ == "__main__":
    main()
