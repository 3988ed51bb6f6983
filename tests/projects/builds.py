"""What the tests need to know of a build folder."""
import re


def is_sanitized(build):
    """Was it configured with EAI_SANITIZE?"""
    cache = build / "CMakeCache.txt"
    return cache.exists() and re.search("^EAI_SANITIZE:STRING=.+", cache.read_text(), re.MULTILINE) is not None
