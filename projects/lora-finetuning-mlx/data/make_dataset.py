#!/usr/bin/env python3
"""Writes the demo's data: plain-English household requests and the JSON command that each one asks for.

What:  train.jsonl (860 rows), valid.jsonl (60) and test.jsonl (100) beside this script, one JSON object
       a line: {"messages": [system, user, assistant]}, the layout that mlx-lm and TRL share.
Why:   the demo wants a task that an untuned model fails, a tuned one learns in minutes, and a program can
       judge: the answer is right when its text is equal to the expected one, and wrong otherwise.
How:   seven commands, each with its own slots. A request is a core sentence (templates below), wrapped in
       politeness and small talk, with slot values put in. An answer holds nothing but a command's name and
       values copied from the request as they are written there, so there is one right answer and no
       arithmetic, no unit conversion and no general knowledge is needed. Words for on and off (out, lights
       up, too dark) are the only synonyms to be understood.

         {"cmd":"light","room":"kitchen","state":"on"}       state is on or off
         {"cmd":"timer","time":"12 minutes"}
         {"cmd":"remind","task":"water the plants","time":"7 pm"}
         {"cmd":"play","title":"Paper Lanterns"}
         {"cmd":"heat","room":"attic","degrees":19}
         {"cmd":"buy","items":["flour","red apples"]}        one to three items, in the order of the request
         {"cmd":"call","name":"Marta"}

Held out: no answer of valid.jsonl or test.jsonl occurs in train.jsonl, nor does one of valid.jsonl in
       test.jsonl, and in about half of their rows one value (a name, a title, a task, an item, a
       number, a room) never occurs in train.jsonl at all, so remembering is of no use: values must be copied.
       The sentence templates and the wrappings are the same in all three files.
Not:   no text from anybody else. Names and titles are made up; the rows are under the project's licence.

The same seed writes the same bytes on every machine (a generator of our own, not Python's random module).
  make_dataset.py              writes the three files beside this script
  make_dataset.py --check      fails if they differ from what would be written
Start reading at COMMANDS.
"""
import argparse
import json
import pathlib
import sys

SEED = 20
SYSTEM = "Reply with JSON."
N_TRAIN, N_VALID, N_TEST = 860, 60, 100

# Slot values: (those that may occur anywhere, those that only valid.jsonl and test.jsonl use).
ROOMS = (
    "kitchen bedroom hallway bathroom garage office attic cellar porch studio workshop nursery "
    "pantry balcony library basement".split() + ["living room", "dining room", "guest room", "laundry room"],
    "greenhouse gym playroom stable".split() + ["music room", "tea room"],
)
NAMES = (
    "Marta Oskar Lena Tomas Priya Hugo Nadia Felix Amara Bruno Clara Dmitri Elif Fatima Greta Hassan Ines "
    "Jonas Kira Luca Mina Noah Olga Pablo Ravi Sofia Tariq Ursula Vera Wanda Yusuf Zoe Anton Bella Cyrus "
    "Dora Emil Flora Gavin Hilda".split()
    + ["Aunt Rosa", "Uncle Ben", "Doctor Patel", "Mrs Novak", "Mr Silva", "Grandma", "the dentist",
       "the bakery", "the plumber", "the school", "the vet", "the garage"],
    "Ingrid Matteo Saskia Omar Beatriz Kofi Linnea Rufus Thelma Viktor Yara Caspar Delia Ewan Fiona "
    "Gustav".split() + ["Aunt Vilma", "Doctor Okoye", "Mrs Lindgren", "the florist", "the library"],
)
TITLE_FIRST = ("Paper Silver Midnight Golden Quiet Broken Velvet Winter Summer Electric Hidden Lonely Crystal "
               "Wooden Distant Burning".split(), "Copper Frozen Marble Hollow".split())
TITLE_LAST = ("Lanterns River Garden Highway Mirror Harbor Thunder Bicycle Horizon Shadow Window Island "
              "Train Feather Orchard Compass".split(), "Meadow Violin Rooftop Pebbles".split())
TASKS = (
    ["water the plants", "feed the cat", "take out the trash", "pay the rent", "call the bank", "walk the dog",
     "charge the phone", "lock the door", "pack the suitcase", "buy a ticket", "clean the oven", "book a table",
     "check the mail", "send the report", "wash the car", "fold the laundry", "renew the passport",
     "take the pills", "close the windows", "empty the dishwasher", "back up the laptop", "bake the bread",
     "return the book", "start the washing machine", "change the bed sheets", "order a cake", "fix the bike",
     "print the tickets", "mow the lawn", "bring the umbrella", "clean the fish tank", "sign the form",
     "defrost the chicken", "move the car", "email the landlord", "stretch", "study for the exam",
     "check the tires", "iron the shirt", "vacuum the stairs"],
    ["polish the shoes", "feed the rabbits", "rake the leaves", "tune the guitar", "pick up the parcel",
     "sharpen the knives", "paint the fence", "cancel the gym", "wrap the present", "salt the driveway",
     "visit the museum", "sweep the chimney"],
)
WHEN = (
    [f"{h} {half}" for h in range(1, 12) for half in ("am", "pm") if (h * 2 + (half == "pm")) % 7 != 3]
    + ["noon", "midnight", "6:30", "7:15", "8:45", "9:20", "10:30", "11:45", "14:30", "17:10", "18:45", "20:15"],
    ["5:50", "13:40", "16:20", "19:35", "21:05", "22:25"]
    + [f"{h} {half}" for h in range(1, 12) for half in ("am", "pm") if (h * 2 + (half == "pm")) % 7 == 3],
)
ITEMS = (
    "milk eggs bread butter cheese rice pasta apples bananas onions potatoes carrots coffee tea sugar salt flour "
    "honey yogurt tomatoes garlic lemons spinach soap sponges candles batteries napkins cereal olives mushrooms "
    "beans lentils oats nuts grapes pears cream ketchup mustard".split()
    + ["oat milk", "red apples", "brown rice", "olive oil", "orange juice", "paper towels", "dish soap",
       "dog food", "cat litter", "green tea", "peanut butter", "trash bags", "sour cream", "ice cream",
       "light bulbs", "black pepper"],
    "plums cabbage walnuts vinegar radishes crackers cinnamon shampoo matches celery".split()
    + ["goat cheese", "corn flakes", "soy sauce", "maple syrup", "baking powder", "frozen peas"],
)
UNITS = ["minutes", "minutes", "minutes", "seconds", "hours"]

# Templates. Imperatives follow a wrapping such as "Could you"; statements stand on their own.
LIGHT = {
    "on": (["turn on the {room} light", "switch on the {room} lights", "turn the {room} light on",
            "put the lights on in the {room}", "switch the {room} lamp on", "light up the {room}",
            "turn on the lights in the {room}"],
           ["I need the {room} light on", "it is too dark in the {room}", "the {room} light should be on",
            "I can't see anything in the {room}"]),
    "off": (["turn off the {room} light", "switch off the {room} lights", "turn the {room} light off",
             "turn the lights out in the {room}", "switch the {room} lamp off", "kill the {room} lights",
             "turn off the lights in the {room}"],
            ["I want the {room} light off", "it is too bright in the {room}", "the {room} light should be off",
             "nobody needs light in the {room}"]),
}
TIMER = (["set a timer for {time}", "start a timer for {time}", "count down {time}", "time {time}",
          "put {time} on the timer", "start a {time} countdown", "wake me in {time}", "set the timer to {time}"],
         ["I need a timer for {time}", "{time} on the clock", "the eggs need {time}", "ring in {time}"])
REMIND = (["remind me to {task} at {time}", "remind me at {time} to {task}", "set a reminder for {time} to {task}",
           "set a reminder to {task} at {time}", "tell me at {time} to {task}",
           "make sure I {task} at {time}"],
          ["at {time} I have to {task}", "I must {task} at {time}", "don't let me forget to {task} at {time}",
           "I need a reminder at {time} to {task}"])
PLAY = (["play {title}", "put on {title}", "start the song {title}", "play the album {title}",
         "find {title} and play it", "play {title} in the living room", "play me {title}", "queue {title} next"],
        ["I want to hear {title}", "let's listen to {title}", "I am in the mood for {title}",
         "some music, maybe {title}", "time for {title}"])
HEAT = (["set the {room} to {degrees} degrees", "heat the {room} to {degrees} degrees",
         "make the {room} {degrees} degrees", "warm the {room} to {degrees}",
         "set the thermostat in the {room} to {degrees}", "put the {room} heating at {degrees}",
         "keep the {room} at {degrees} degrees", "change the {room} temperature to {degrees}"],
        ["I want {degrees} degrees in the {room}", "the {room} should be at {degrees} degrees",
         "{degrees} degrees in the {room}", "we need {degrees} degrees in the {room}"])
BUY = (["add {items} to the shopping list", "put {items} on the shopping list", "add {items} to my list",
        "put {items} on the list", "order {items}", "buy {items}", "write down {items} for the shop"],
       ["we need {items}", "we are out of {items}", "I have to buy {items}", "we ran out of {items}",
        "the fridge is missing {items}"])
CALL = (["call {name}", "phone {name}", "ring {name}", "give {name} a call", "dial {name}",
         "get {name} on the phone", "make a call to {name}", "start a call with {name}"],
        ["I need to talk to {name}", "I want to speak with {name}", "connect me to {name}",
         "it is time to call {name}", "let me talk to {name}"])

# Wrappings: (before, after) of an imperative, and of a statement. The first of each list is the bare one.
ASKS = [("", "."), ("", ""), ("", ", please."), ("Please ", "."), ("Could you ", "?"), ("Can you ", "?"),
        ("Hey, ", "."), ("Would you ", ", please?"), ("", " now."), ("", ", thanks."), ("Ok, ", "."),
        ("Quick, ", "!"), ("I want you to ", "."), ("Go ahead and ", "."), ("Can you please ", "?")]
SAYS = [("", "."), ("", ""), ("Hey, ", "."), ("", ", thanks."), ("Oh, ", "."), ("Well, ", "."),
        ("", ", please."), ("Hello, ", ".")]


class Random:
    """SplitMix64: small, well known, and the same everywhere."""

    MASK = (1 << 64) - 1

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & self.MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & self.MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & self.MASK
        return z ^ (z >> 31)

    def below(self, n):
        return self.next() % n

    def pick(self, values):
        return values[self.below(len(values))]

    def shuffle(self, values):
        for i in range(len(values) - 1, 0, -1):
            j = self.below(i + 1)
            values[i], values[j] = values[j], values[i]


def slot(rnd, values, fresh):
    """A value: one of those kept out of train.jsonl if `fresh`, else a common one."""
    return rnd.pick(values[1] if fresh else values[0])


def make_light(rnd, fresh):
    room, state = slot(rnd, ROOMS, fresh), rnd.pick(["on", "off"])
    return LIGHT[state], {"room": room}, {"cmd": "light", "room": room, "state": state}


def make_timer(rnd, fresh):
    while True:
        n = 2 + rnd.below(58)
        if (n % 5 == 3) == fresh:  # numbers that end in 3 or 8 are kept for valid and test
            break
    time = f"{n} {rnd.pick(UNITS)}"
    return TIMER, {"time": time}, {"cmd": "timer", "time": time}


def make_remind(rnd, fresh):
    which = rnd.below(3) if fresh else 3  # a new task, a new time, or both
    task = slot(rnd, TASKS, which in (0, 2))
    time = slot(rnd, WHEN, which in (1, 2))
    return REMIND, {"task": task, "time": time}, {"cmd": "remind", "task": task, "time": time}


def make_play(rnd, fresh):
    which = rnd.below(3) if fresh else 3
    title = slot(rnd, TITLE_FIRST, which in (0, 2)) + " " + slot(rnd, TITLE_LAST, which in (1, 2))
    return PLAY, {"title": title}, {"cmd": "play", "title": title}


def make_heat(rnd, fresh):
    room = slot(rnd, ROOMS, fresh)
    degrees = 14 + rnd.below(14)
    return HEAT, {"room": room, "degrees": degrees}, {"cmd": "heat", "room": room, "degrees": degrees}


def make_buy(rnd, fresh):
    n = rnd.pick([1, 2, 2, 3])
    items = []
    while len(items) < n:
        item = slot(rnd, ITEMS, fresh and not items)
        if item not in items:
            items.append(item)
    rnd.shuffle(items)
    if n == 1:
        text = items[0]
    elif n == 2:
        text = items[0] + " and " + items[1]
    else:
        text = items[0] + ", " + items[1] + " and " + items[2]
    return BUY, {"items": text}, {"cmd": "buy", "items": items}


def make_call(rnd, fresh):
    name = slot(rnd, NAMES, fresh)
    return CALL, {"name": name}, {"cmd": "call", "name": name}


# A command: how to make one request, and its weight among the rows of a file.
COMMANDS = [(make_light, 3), (make_timer, 3), (make_remind, 4), (make_play, 3), (make_heat, 3), (make_buy, 4),
            (make_call, 3)]


def capitalise(text):
    return text[0].upper() + text[1:]


def make_row(rnd, make, fresh):
    """One request and its answer, as text."""
    (imperatives, statements), values, answer = make(rnd, fresh)
    if rnd.below(4) > 0:
        (before, after), core = rnd.pick(ASKS), rnd.pick(imperatives)
    else:
        (before, after), core = rnd.pick(SAYS), rnd.pick(statements)
    request = before + core.format(**values) + after
    if rnd.below(5) > 0:  # one in five is typed in a hurry: no capital letter
        request = capitalise(request)
    return request, json.dumps(answer, separators=(",", ":"))


def make_split(rnd, n_rows, fresh_share, taken_answers, taken_requests):
    """n_rows rows with no answer of `taken_answers`; fresh_share percent of them with a value kept out of train."""
    schedule = [make for make, weight in COMMANDS for _ in range(weight)]
    rows = []
    answers, requests = set(), set()
    while len(rows) < n_rows:
        make = schedule[len(rows) % len(schedule)]
        request, answer = make_row(rnd, make, rnd.below(100) < fresh_share)
        key = request.lower().strip(".!?")
        if answer in taken_answers or key in taken_requests or key in requests:
            continue
        rows.append((request, answer))
        answers.add(answer)
        requests.add(key)
    rnd.shuffle(rows)
    return rows, answers, requests


def as_jsonl(rows):
    lines = []
    for request, answer in rows:
        messages = [("system", SYSTEM), ("user", request), ("assistant", answer)]
        lines.append(json.dumps({"messages": [{"role": r, "content": c} for r, c in messages]}))
    return "\n".join(lines) + "\n"


def make_files():
    """The text of the three files. Test and valid come first: train takes what they left."""
    rnd = Random(SEED)
    test, test_answers, test_requests = make_split(rnd, N_TEST, 50, set(), set())
    valid, valid_answers, valid_requests = make_split(rnd, N_VALID, 50, test_answers, test_requests)
    train, _, _ = make_split(rnd, N_TRAIN, 0, test_answers | valid_answers, test_requests | valid_requests)
    return {"train.jsonl": as_jsonl(train), "valid.jsonl": as_jsonl(valid), "test.jsonl": as_jsonl(test)}


def main():
    parser = argparse.ArgumentParser(description="Writes train.jsonl, valid.jsonl and test.jsonl of the demo.")
    parser.add_argument("--check", action="store_true", help="only compare with the files that are there")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent)
    args = parser.parse_args()
    stale = []
    for name, text in make_files().items():
        path = args.output / name
        if args.check:
            if not path.exists() or path.read_bytes() != text.encode():
                stale.append(name)
        else:
            path.write_bytes(text.encode())
            print(f"{path}: {text.count(chr(10))} rows")
    if stale:
        sys.exit("make_dataset.py: not what the generator writes: " + ", ".join(stale))


if __name__ == "__main__":
    main()
