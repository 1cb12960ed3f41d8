"""Terms as pages, guides and messages use them; docs/glossary.md holds the same ones."""

import dataclasses
import re
from collections.abc import Iterator, Mapping

from ich_jax.report.style import Picture

WORDS: Mapping[str, str] = {
    "anti-interference": (
        "stability of figures of merit when images or a generator's inputs are disturbed; the paper's term "
        "for robustness"
    ),
    "arm": (
        "one of the networks that an error comparison trains on the same briefs (`residual`, `plain`); of a "
        "sales panel: `ai`, `before` or `local`"
    ),
    "axis": (
        "a continuous property that a brief may ask for and the inspector reads, from -3 to 3: `width`, "
        "`height` and `depth` of the built-in images"
    ),
    "benefit": "money per outlet and day: units sold, times price minus cost",
    "brief": (
        "the request for a design: a product, categories of its design elements, places on the axes; "
        "each part may be left open"
    ),
    "candidate": "one of the many designs that are drawn for a brief, of which some are delivered",
    "cell": (
        "one combination of a comparison or sweep that is computed and stored by itself, such as an arm with "
        "a depth and a seed"
    ),
    "design element": "a categorical property of a design, such as its palette",
    "donor": "an outlet that never launches and whose series may be weighted into a synthetic control",
    "inspector": (
        "a network trained on real images only, which reads product, elements and axes off a picture; never "
        "part of a generator's loss"
    ),
    "launch": "the first day on which an outlet sells designs of the generator",
    "panel": "outcomes of outlets over days, with the launch of each",
    "Pareto front": "the candidates that no other candidate beats in one criterion without being worse in another",
    "pulse": "interference that lasts for some training steps and then ends, to see whether training recovers",
    "reading head": (
        "the part of a run's own discriminator that reads product, elements and axes off a picture; "
        "candidates are chosen by it, never by the inspector"
    ),
    "recipe": (
        "the origin of the noise of a design: a seed and an index, a variation of another design, or a "
        "place between two"
    ),
    "second verdict": (
        "what an experiment of the package says to a claim of the paper, beside the verdict from the paper's own "
        "figures; always on simulated data"
    ),
    "severity": "strength of a corruption, from 1 to 5",
    "shard": "the share of a study's pieces that one of several processes computes",
    "style strength": "strength of the effect of a brief on a design; 1 is as trained",
    "summary line": "the last line that a run prints, `summary: name=value ...`, for scripts",
    "trial": "a short training that serves to choose a learning rate",
    "work directory": "the folder of one run: config, checkpoints, metrics, results and page",
}


def markdown() -> str:
    """Returns the content of docs/glossary.md."""
    rows = "".join(f"| {word} | {meaning} |\n" for word, meaning in WORDS.items())
    return f"# Glossary\n\n| word | meaning |\n|---|---|\n{rows}"


def used(content: object) -> list[tuple[str, str]]:
    """Returns the words that occur in a text, or in the texts of dataclasses and sequences, with their meanings.

    Singular and plural count, capital letters do not.
    """
    text = " ".join(_texts(content))
    return [(word, meaning) for word, meaning in WORDS.items() if _pattern(word).search(text)]


def _pattern(word: str) -> re.Pattern[str]:
    plural = f"{word[:-2]}es" if word.endswith("is") else f"{word[:-1]}ies" if word.endswith("y") else f"{word}(e?s)?"
    return re.compile(rf"\b({word}|{plural})\b", re.IGNORECASE)


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list | tuple):
        for item in content:
            yield from _texts(item)
    elif dataclasses.is_dataclass(content) and not isinstance(content, Picture):
        for field in dataclasses.fields(content):
            yield from _texts(getattr(content, field.name))
