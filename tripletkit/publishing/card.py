"""The dataset card: what a reader should know before trusting the data, with every figure counted from the tables."""

from __future__ import annotations

from collections.abc import Mapping

from tripletkit.publishing import counts, prose
from tripletkit.publishing.facts import CardContent, CardFacts, Configuration, Shards, public_settings
from tripletkit.publishing.frontmatter import Yaml, front_matter

__all__ = ["CardContent", "CardFacts", "Configuration", "Shards", "make_card", "public_settings"]

#: The Hub's size classes, by their upper bound.
SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
LARGEST = "n>10M"
TAGS = (
    "sentence-transformers",
    "sentence-similarity",
    "triplets",
    "hard-negatives",
    "textbook",
    "glossary",
    "tripletkit",
)
TASKS = ("sentence-similarity", "feature-extraction", "text-retrieval")

#: What a card says, in order.
SECTIONS = (
    prose.intro,
    prose.use,
    counts.configurations,
    prose.sources,
    counts.quality,
    prose.making,
    counts.sizes,
    counts.similarities,
    counts.dropped,
    counts.splits,
    prose.limits,
    prose.citation,
)


def make_card(content: CardContent) -> str:
    """The README.md; equal content gives an equal card."""
    return front_matter(metadata(content)) + "\n" + "\n\n".join(section(content) for section in SECTIONS) + "\n"


def metadata(content: CardContent) -> Mapping[str, Yaml]:
    """What the Hub's search and viewer and ``load_dataset`` read."""
    license_, languages = content.license, content.facts.language
    named: dict[str, Yaml] = {
        key: value for key, value in (("license_name", license_.name), ("license_link", license_.link)) if value
    }
    return {
        "pretty_name": content.facts.pretty_name,
        "language": list(languages),
        "license": license_.hub,
        **named,
        "size_categories": [next((name for bound, name in SIZES if content.triplets < bound), LARGEST)],
        "task_categories": list(TASKS),
        "annotations_creators": ["machine-generated"],
        "multilinguality": ["monolingual" if len(languages) == 1 else "multilingual"],
        "source_datasets": ["original"],
        "tags": list(TAGS),
        "configs": [_config(one, default=one is content.configurations[0]) for one in content.configurations],
        "dataset_info": [_info(one) for one in content.configurations],
    }


def _config(one: Configuration, *, default: bool) -> Mapping[str, Yaml]:
    files: list[Yaml] = [{"split": shards.split, "path": shards.pattern} for shards in one.shards]
    return {"config_name": one.name, **({"default": True} if default else {}), "data_files": files}


def _info(one: Configuration) -> Mapping[str, Yaml]:
    splits: list[Yaml] = [{"name": s.split, "num_bytes": s.memory_bytes, "num_examples": s.rows} for s in one.shards]
    return {
        "config_name": one.name,
        "features": one.features,
        "splits": splits,
        "download_size": sum(s.file_bytes for s in one.shards),
        "dataset_size": sum(s.memory_bytes for s in one.shards),
    }
