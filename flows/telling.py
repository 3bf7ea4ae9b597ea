"""What a command says: facts for machines or text for people, and complaints beside both."""

import json
import sys


def say(facts: object, text: str, as_json: bool) -> None:
    """Print the text, or the facts as one JSON document."""
    print(json.dumps(facts, ensure_ascii=False) if as_json else text)


def complain(sentence: str) -> None:
    """Print to the error stream, with the name of the command before it."""
    print(sentence if sentence.startswith("Usage:") else f"ganst: {sentence}", file=sys.stderr)
