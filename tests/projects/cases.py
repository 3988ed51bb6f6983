"""Runs the functions of a script whose names begin with case_: run(globals())."""
import time


def run(names):
    """Every case runs, whatever the one before did; returns the exit status, 0 when all passed."""
    failed = passed = 0
    for name, case in list(names.items()):
        if not name.startswith("case_"):
            continue
        start = time.monotonic()
        try:
            case()
            passed += 1
            print(f"ok      {name[5:]} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception as e:
            failed += 1
            print(f"FAILED  {name[5:]}: {type(e).__name__}: {e}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
